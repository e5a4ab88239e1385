"""The operator credential on disk."""

from pathlib import Path

import pytest

from cli import credentials
from cli.credentials import Credentials, CredentialsMissingError, require_place
from remit.errors import ConfigurationError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "credentials.json"
    monkeypatch.setenv("REMIT_CREDENTIALS", str(path))
    monkeypatch.delenv("REMIT_ISSUER", raising=False)
    return path


def test_what_is_saved_is_loaded(path: Path):
    """Saving and loading agree, and the file is its owner's alone from the start."""
    saved = Credentials(issuer="https://issuer.example.org", token="remit_op_secret")

    credentials.save(saved, path)

    assert credentials.load() == saved
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["credentials.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int):
    """A credential that others may have seen is not used, and the hint says how to close it."""
    credentials.save(Credentials("https://issuer.example.org", "t"), path)
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match="can be read by others") as caught:
        credentials.load()

    assert caught.value.hint == f"run `chmod 600 {path}`"


def test_a_missing_file_says_how_to_get_one(path: Path):
    """No credential is an error of its own, with the way out."""
    with pytest.raises(CredentialsMissingError, match="no operator credential at") as caught:
        credentials.load()

    assert "remit login" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"issuer": "x"}', b"\xff", b'{"issuer":"a","token":"b","x":1}'])
def test_another_file_is_not_taken_for_a_credential(path: Path, content: bytes):
    """The error names the file and never shows what is in it."""
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="is not an operator credential"):
        credentials.load()


def test_the_environment_overrides_the_issuer(path: Path, monkeypatch: pytest.MonkeyPatch):
    """`REMIT_ISSUER` wins over the file, for a tunnel or another replica."""
    credentials.save(Credentials("https://issuer.example.org", "t"), path)
    monkeypatch.setenv("REMIT_ISSUER", "https://other.example.org")

    assert credentials.load().issuer == "https://other.example.org"
    assert credentials.configured_issuer() == "https://other.example.org"


def test_without_any_setting_there_is_no_issuer(path: Path):
    """Nothing is guessed."""
    assert credentials.configured_issuer() is None


def test_the_default_place_is_below_the_users_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """XDG_CONFIG_HOME is honoured."""
    monkeypatch.delenv("REMIT_CREDENTIALS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert credentials.credentials_path() == tmp_path / "remit" / "credentials.json"


def test_the_secret_is_not_in_the_repr():
    """A credential in a traceback or a log does not leak."""
    assert "hush" not in repr(Credentials("https://issuer.example.org", "hush"))


def test_a_place_that_no_secret_can_go_to_is_refused(tmp_path: Path):
    """Before the secret is made: nobody could be shown it again."""
    for wrong in (tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(ConfigurationError) as refused:
            require_place(wrong)
        assert refused.value.hint
    require_place(tmp_path / "file")
    require_place(None)
