"""Compact JWS: taken apart strictly, signed so that others verify it."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.errors import InvalidInputError
from remit.jose import PublicKey, b64url_encode, parse_unverified, public_jwk, sign_compact

CURVES = [("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())]


@pytest.mark.parametrize(("alg", "curve"), CURVES)
def test_what_is_signed_verifies_here_and_with_pyjwt(alg, curve):
    """A signature of each curve is accepted by our own key and by another library."""
    key = ec.generate_private_key(curve)
    token = sign_compact({"alg": alg, "kid": "a", "typ": "JWT"}, b'{"sub":"x"}', key)
    jws = parse_unverified(token)
    assert jws.header_bytes == b'{"alg":"%s","kid":"a","typ":"JWT"}' % alg.encode()
    PublicKey.from_jwk(public_jwk(key)).verify(jws.signing_input, jws.signature, alg)
    assert jwt.decode(token, key.public_key(), algorithms=[alg]) == {"sub": "x"} == jws.unverified_payload()


def test_the_alg_must_be_that_of_the_key():
    """A header that names another algorithm than the key's is not signed."""
    with pytest.raises(InvalidInputError):
        sign_compact({"alg": "ES384"}, b"", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InvalidInputError):
        sign_compact({"alg": "ES256K"}, b"", ec.generate_private_key(ec.SECP256K1()))


@pytest.mark.parametrize(
    "token", ["", "a.b", "YQ.YQ.YQ.YQ", "YQ.YQ", "YQ==.YQ.YQ", "YQ .YQ.YQ", "é.YQ.YQ", "YQ.YQ.YQ\n", "YQ." * 8000]
)
def test_other_than_three_canonical_parts_is_refused(token):
    """The number of parts, the alphabet and the size are checked before anything is decoded."""
    with pytest.raises(InvalidInputError):
        parse_unverified(token)


@pytest.mark.parametrize(
    "header", [b"[]", b"{}", b'{"alg":1}', b'{"alg":"ES256","crit":["x"]}', b'{"alg":"ES256","b64":false}', b"x"]
)
def test_a_header_that_asks_for_more_is_refused(header):
    """No extension is understood, so one that must be is refused; so is a header without an algorithm."""
    with pytest.raises(InvalidInputError):
        parse_unverified(f"{b64url_encode(header)}.YQ.YQ").unverified_header()


def test_a_payload_that_is_no_object_is_refused():
    """Claims are an object."""
    with pytest.raises(InvalidInputError):
        parse_unverified(f"YQ.{b64url_encode(b'[1]')}.YQ").unverified_payload()
