"""The state folder."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.errors import ConfigurationError
from sidecar.state import Membership, StateDir, has_joined

MEMBERSHIP = Membership("https://issuer.example.org", "edge-1", "spiffe://example.org/sidecar/edge-1", "example.org")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """Folder 0700, key 0600; the second time it is the same key."""
    folder = tmp_path / "state"
    state = StateDir.open(folder)
    key = state.key()
    assert (mode(folder), mode(folder / "key.pem")) == (0o700, 0o600)
    assert state.key().private_numbers() == key.private_numbers()
    state.close()


def test_one_sidecar_at_a_time(tmp_path: Path) -> None:
    """A second one is refused, until the first has closed it."""
    state = StateDir.open(tmp_path)
    with pytest.raises(ConfigurationError, match="another sidecar uses"):
        StateDir.open(tmp_path)
    state.close()
    StateDir.open(tmp_path).close()


def test_membership_is_remembered(tmp_path: Path) -> None:
    """What it joined as survives a restart."""
    state = StateDir.open(tmp_path)
    assert (state.membership(), has_joined(tmp_path)) == (None, False)
    state.remember(MEMBERSHIP)
    assert (state.membership(), has_joined(tmp_path)) == (MEMBERSHIP, True)
    state.close()


@pytest.mark.parametrize("content", [b"", b"not a key", None])
def test_a_key_that_is_none_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    """Garbage, nothing, or a key of another curve: the message names the file."""
    state = StateDir.open(tmp_path)
    if content is None:
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        content = ec.generate_private_key(ec.SECP384R1()).private_bytes(*pem)
    (tmp_path / "key.pem").write_bytes(content)
    (tmp_path / "key.pem").chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"key\.pem"):
        state.key()
    state.close()


def test_a_key_that_others_may_read_is_an_error(tmp_path: Path) -> None:
    """It may have been copied."""
    state = StateDir.open(tmp_path)
    state.key()
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(ConfigurationError, match="may be read by others"):
        state.key()
    state.close()


def test_a_membership_that_does_not_parse_is_an_error(tmp_path: Path) -> None:
    """It is not taken as "never joined"."""
    state = StateDir.open(tmp_path)
    (tmp_path / "membership.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"membership\.json"):
        state.membership()
    state.close()
