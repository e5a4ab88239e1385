"""Public keys: only public, only strong, each only with its own algorithms."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from remit.errors import InvalidInputError
from remit.jose import PublicKey, b64url_encode, public_jwk, sign_raw, thumbprint

EC = public_jwk(ec.derive_private_key(5, ec.SECP256R1()))
RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA = public_jwk(RSA_KEY)


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_rsa_key_verifies_its_six_algorithms(alg):
    """Each scheme and hash verifies its own signature and none of the others."""
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[alg[2:]]
    scheme = padding.PKCS1v15() if alg[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
    signature = RSA_KEY.sign(b"data", scheme, digest)
    key = PublicKey.from_jwk(RSA)
    key.verify(b"data", signature, alg)
    for other in key.algorithms - {alg}:
        with pytest.raises(InvalidInputError):
            key.verify(b"data", signature, other)


def test_a_key_is_bound_to_its_algorithms():
    """A P-256 key knows ES256 only; HMAC, none and RSA's are no algorithms of it; `alg` narrows an RSA key."""
    key = PublicKey.from_jwk(EC)
    for alg in ("HS256", "none", "ES384", "RS256", "es256", ""):
        with pytest.raises(InvalidInputError) as refused:
            key.verify(b"", b"", alg)
        assert refused.value.code == "algorithm_mismatch"
    assert PublicKey.from_jwk(RSA | {"alg": "RS256"}).algorithms == {"RS256"}


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(63), bytes(65), b"\xff" * 64])
def test_a_degenerate_ecdsa_signature_is_refused(signature):
    """Zero, out of range and wrongly sized r and s never verify (CVE-2022-21449)."""
    with pytest.raises(InvalidInputError):
        PublicKey.from_jwk(EC).verify(b"data", signature, "ES256")


def test_the_bare_check_raises_for_a_wrong_signature():
    """`checker` gives the same verdict as `verify`, as cryptography's own exception."""
    private = ec.derive_private_key(5, ec.SECP256R1())
    check = PublicKey.from_jwk(EC).checker("ES256")
    check(sign_raw(b"data", private), b"data")
    with pytest.raises(InvalidSignature):
        check(sign_raw(b"data", private), b"other")
    with pytest.raises(InvalidInputError):
        PublicKey.from_jwk(EC).checker("HS256")


def test_every_shape_of_a_signature_verifies():
    """Short r or s and set highest bits change the signature's DER; all of them verify."""
    private = ec.derive_private_key(5, ec.SECP256R1())
    key = PublicKey.from_jwk(EC)
    shapes = set()
    for number in range(700):
        data = str(number).encode()
        der = private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signature = b"".join(value.to_bytes(32, "big") for value in decode_dss_signature(der))
        shapes.add(tuple("short" if not half[0] else half[0] >> 7 for half in (signature[:32], signature[32:])))
        key.verify(data, signature, "ES256")
    assert shapes >= {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert any("short" in shape for shape in shapes)


def _modulus(bits, low=1):
    return b64url_encode(((1 << (bits - 1)) | low).to_bytes((bits + 7) // 8, "big"))


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "jwk",
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519", "x": EC["x"]},
        EC | {"d": "AQ"},
        EC | {"k": "AQ"},
        EC | {"crv": "P-384"},
        EC | {"crv": "secp256k1"},
        EC | {"crv": ["P-256"]},
        EC | {"y": EC["x"]},
        EC | {"x": b64url_encode(bytes(32)), "y": b64url_encode(bytes(32))},
        EC | {"x": EC["x"][:-2]},
        EC | {"x": 5},
        EC | {"alg": "HS256"},
        EC | {"alg": "ES384"},
        EC | {"alg": 7},
        EC | {"use": "enc"},
        EC | {"key_ops": ["sign"]},
        EC | {"key_ops": 5},
        EC | {"kid": ""},
        EC | {"kid": 5},
        EC | {"kid": "k" * 257},
        RSA | {"d": "AQ"},
        RSA | {"n": _modulus(1024)},
        RSA | {"n": _modulus(2041)},
        RSA | {"n": _modulus(8208)},
        RSA | {"n": _modulus(65536)},
        RSA | {"n": _modulus(2048, low=0)},
        RSA | {"n": "AA" + RSA["n"]},
        RSA | {"e": "AQ"},
        RSA | {"e": "Aw"},
        RSA | {"e": "AQAA"},
        RSA | {"e": b64url_encode(b"\xff" * 40)},
        RSA | {"e": b64url_encode(bytes(13) + b"\x01\x00\x01" + b"\x01" * 30)},
    ],
)
def test_anything_but_a_strong_public_signature_key_is_refused(jwk):
    """Secret, private, weak, costly, off-curve and mistyped keys are refused with one error."""
    with pytest.raises(InvalidInputError):
        PublicKey.from_jwk(jwk)


def test_the_thumbprint_is_that_of_the_rfc():
    """The example of RFC 7638 section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
        "MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
        "JzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct", "k": "AQ"}, {"kty": "EC", "crv": "P-256", "x": "AQ"}, EC | {"y": 1}]
)
def test_a_key_without_its_members_has_no_thumbprint(jwk):
    """A thumbprint is of required members only, all of them."""
    with pytest.raises(InvalidInputError):
        thumbprint(jwk)


def test_a_curve_without_a_jwk_name_is_refused():
    """Only the three curves have a JWK here."""
    with pytest.raises(InvalidInputError):
        public_jwk(ec.generate_private_key(ec.SECP256K1()))
