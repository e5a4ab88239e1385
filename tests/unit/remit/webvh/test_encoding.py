"""How did:webvh writes hashes and keys."""

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.webvh.encoding import base58_decode, base58_encode, canonical, multikey, parse_multikey
from remit.webvh.entry import LogEntry


@given(st.binary(max_size=80))
def test_base58_is_bitcoin_s(data):
    """Leading zeros are kept."""
    assert base58_encode(data) == base58.b58encode(data).decode()
    assert base58_decode(base58_encode(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "I", "l", " ", "é", "1" * 129])
def test_what_is_not_base58_is_refused(text):
    """Another alphabet, or longer than anything that is written in it."""
    with pytest.raises(InvalidInputError):
        base58_decode(text)


def test_a_multikey_of_the_specification():
    """Controlled Identifiers 1.0 writes Ed25519 keys as z6Mk…"""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert multikey(key).startswith("z6Mk")
    assert parse_multikey(multikey(key)) == key


@pytest.mark.parametrize("text", ["", "z", "z6Mk", "u6Mk", "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"])
def test_other_keys_are_refused(text):
    """Also the P-256 key of the did:key specification."""
    with pytest.raises(InvalidInputError):
        parse_multikey(text)


def test_the_entry_hash_of_the_specification():
    """did:webvh 1.0, Generate Entry Hash: the example and its result."""
    scid = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"
    witnesses = [
        {"id": "did:key:z6Mkkc51mg2vpQzKWAbWQZupeGYhowaBjYkmvcKMTqteqHB4", "weight": 1},
        {"id": "did:key:z6MkuDdJdKLCgwZuQuEi9xG6LVgJJ9Tebr74CXPYPSumqgJs", "weight": 1},
        {"id": "did:key:z6MkoSWmQyp4fTk4ZQy4KUsss9dFX51XfEUzKKKj1J1JUsrF", "weight": 1},
    ]
    parameters = {
        "witness": {"threshold": 2, "witnesses": witnesses},
        "updateKeys": ["z6MkgzBDcBFV3sk4ypPE5YXMZHmS213A3HpYY2LmcVKV15jr"],
        "nextKeyHashes": ["QmZreDcjvWEpyRFznQeExWNCsvMLk5i59AcRJJuQC8UodJ"],
        "method": "did:webvh:0.5",
        "scid": scid,
    }
    state = {"@context": ["https://www.w3.org/ns/did/v1"], "id": f"did:webvh:{scid}:domain.example"}
    entry = LogEntry(scid, "2025-04-01T17:39:50Z", parameters, state)
    assert entry.hash_after(scid) == "QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ"


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": 2**60}, {"a": float("inf")}, {"a": "\ud800"}])
def test_what_readers_would_not_agree_on_has_no_canonical_form(value):
    """RFC 8785 section 3.2.2.3."""
    with pytest.raises(InvalidInputError):
        canonical(value)
