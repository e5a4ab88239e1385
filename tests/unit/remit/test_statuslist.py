"""The packed list, its wire form and the signed token, against the draft's own vectors."""

import json
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.jose import PublicKey, b64url_encode, public_jwk, sign_compact
from remit.statuslist import MAX_LIST_BYTES, StatusList, StatusListToken

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/statuslist/draft-21.json").read_text())["vectors"]
URI = "https://issuer.example.org/statuslists/1"
KEY = ec.derive_private_key(7, ec.SECP256R1())
KEYS = {"status-1": PublicKey.from_jwk(public_jwk(KEY))}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['bits']}-bits-of-{v['size']}")
def test_reads_and_writes_the_vectors_of_the_draft(vector):
    """Each list of the draft unpacks to its statuses, zero elsewhere, and packs to the same bytes."""
    statuses = dict(vector["statuses"])
    packed = StatusList.pack(statuses, size=vector["size"], bits=vector["bits"])
    read = StatusList.from_lst(vector["lst"], vector["bits"])
    assert read == packed
    assert read.size == vector["size"]
    assert [read.get(index) for index in statuses] == list(statuses.values())


@given(st.data())
def test_what_is_packed_is_read_back(data):
    """For every width, each index holds what was put there and the others are valid."""
    bits = data.draw(st.sampled_from([1, 2, 4, 8]))
    statuses = data.draw(st.dictionaries(st.integers(0, 63), st.integers(0, 2**bits - 1)))
    read = StatusList.from_lst(StatusList.pack(statuses, size=64, bits=bits).to_lst(), bits)
    assert [read.get(index) for index in range(64)] == [statuses.get(index, 0) for index in range(64)]


@pytest.mark.parametrize("index", [-1, 12, 2**70])
def test_an_index_outside_the_list_is_refused(index):
    """What the list does not cover is never taken as valid."""
    with pytest.raises(InvalidInputError) as refused:
        StatusList.pack({}, size=12).get(index)
    assert refused.value.code == "status_out_of_range"


@pytest.mark.parametrize(
    ("statuses", "size", "bits"),
    [({0: 4}, 8, 2), ({8: 1}, 8, 2), ({-1: 1}, 8, 2), ({0: -1}, 8, 2), ({}, 3, 2), ({}, 8, 3)],
)
def test_what_does_not_fit_is_not_packed(statuses, size, bits):
    """A status or an index that does not fit raises instead of changing a neighbour."""
    with pytest.raises(InvalidInputError):
        StatusList.pack(statuses, size=size, bits=bits)


def test_a_zip_bomb_is_not_inflated():
    """A small stream that unpacks to more than the bound is refused after the bound."""
    bomb = b64url_encode(zlib.compress(bytes(MAX_LIST_BYTES * 64), 9))
    with pytest.raises(InvalidInputError) as refused:
        StatusList.from_lst(bomb, 2)
    assert refused.value.code == "status_list_too_large"


@pytest.mark.parametrize(
    "stream",
    [b"", b"no zlib", zlib.compress(bytes(64))[:-2], zlib.compress(bytes(64)) + b"more", zlib.compress(b"")],
    ids=["nothing", "not-zlib", "cut-off", "followed-by-more", "empty"],
)
def test_a_broken_stream_is_refused(stream):
    """Only one complete, non-empty zlib stream is a list."""
    with pytest.raises(InvalidInputError):
        StatusList.from_lst(b64url_encode(stream), 2)


def _token(**changes):
    fields = {"uri": URI, "issued_at": 1000, "expires_at": 1060, "ttl_seconds": 1, "seq": 4}
    return StatusListToken(**(fields | changes), statuses=StatusList.pack({3: 2}, size=64))


def _verify(signed, **changes):
    return StatusListToken.verify(
        signed if isinstance(signed, bytes) else signed.encode(), **({"keys": KEYS, "uri": URI, "now": 1000} | changes)
    )


def test_a_signed_list_is_read_back():
    """What was signed is what is verified."""
    assert _verify(_token().sign(KEY, "status-1")) == _token()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"uri": URI + "/"}, "wrong_status_list"),
        ({"now": 1066}, "status_list_expired"),
        ({"now": 990}, "status_list_expired"),
        ({"keys": {"other": KEYS["status-1"]}}, "malformed_status_list"),
    ],
)
def test_a_list_of_another_time_place_or_key_is_refused(changes, code):
    """The list must be the one asked for, current, and signed by a known status key."""
    with pytest.raises(InvalidInputError) as refused:
        _verify(_token().sign(KEY, "status-1"), **changes)
    assert refused.value.code == code


def test_a_list_signed_by_another_key_is_refused():
    """A known kid does not help a foreign signature."""
    with pytest.raises(InvalidInputError) as refused:
        _verify(_token().sign(ec.generate_private_key(ec.SECP256R1()), "status-1"))
    assert refused.value.code == "signature_invalid"


@pytest.mark.parametrize("typ", ["JWT", "secevent+jwt", None])
def test_another_type_of_token_is_not_a_list(typ):
    """A token of another type, rightly signed by the status key, is refused."""
    claims = {
        "sub": URI,
        "iat": 1000,
        "exp": 1060,
        "ttl": 1,
        "seq": 4,
        "status_list": {"bits": 2, "lst": "eNo76fITAAPfAgc"},
    }
    header = {"alg": "ES256", "kid": "status-1"} | ({"typ": typ} if typ else {})
    with pytest.raises(InvalidInputError):
        _verify(sign_compact(header, json.dumps(claims).encode(), KEY))


@pytest.mark.parametrize("missing", ["sub", "iat", "exp", "ttl", "seq", "status_list"])
def test_every_claim_is_required(missing):
    """A list without one of its claims is refused, `seq` and `exp` included."""
    claims = {
        "sub": URI,
        "iat": 1000,
        "exp": 1060,
        "ttl": 1,
        "seq": 4,
        "status_list": {"bits": 2, "lst": "eNo76fITAAPfAgc"},
    }
    header = {"alg": "ES256", "kid": "status-1", "typ": "statuslist+jwt"}
    assert _verify(sign_compact(header, json.dumps(claims).encode(), KEY)).seq == 4
    del claims[missing]
    with pytest.raises(InvalidInputError):
        _verify(sign_compact(header, json.dumps(claims).encode(), KEY))
