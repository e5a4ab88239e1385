"""SPIFFE bundles and JWK sets: usable keys only, and never none."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.bundle import Bundle, parse_jwks
from remit.errors import InvalidInputError
from remit.ids import TrustDomain
from remit.jose import public_jwk

DOMAIN = TrustDomain.parse("example.org")
JWK = public_jwk(ec.derive_private_key(9, ec.SECP256R1()))


def _bundle(*keys, **members):
    return json.dumps({"keys": list(keys)} | members).encode()


def test_a_bundle_has_its_jwt_keys_sequence_and_hint():
    """X.509 authorities and keys of unknown use are ignored; the JWT keys are found by kid."""
    document = _bundle(
        JWK | {"kid": "a", "use": "jwt-svid"},
        JWK | {"kid": "b", "use": "x509-svid"},
        JWK | {"kid": "c", "use": "else"},
        JWK | {"kid": "d"},
        spiffe_sequence=7,
        spiffe_refresh_hint=60,
    )
    bundle = Bundle.parse(document, DOMAIN)
    assert (set(bundle.keys), bundle.sequence, bundle.refresh_hint) == ({"a"}, 7, 60)
    assert bundle.keys["a"].algorithms == {"ES256"}


def test_a_jwk_set_has_keys_without_use_or_for_signatures():
    """SPIFFE uses belong to bundles, `enc` to nobody here."""
    document = _bundle(
        *(JWK | {"kid": str(use)} | ({"use": use} if use else {}) for use in (None, "sig", "enc", "jwt-svid"))
    )
    assert set(parse_jwks(document)) == {"None", "sig"}


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [JWK | {"use": "jwt-svid"}],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "use": "jwt-svid"}],
        [JWK | {"kid": "a", "use": "jwt-svid", "d": "AQ"}],
        ["a"],
    ],
    ids=["empty", "without-kid", "secret", "private", "not-an-object"],
)
def test_a_document_that_leaves_no_key_is_refused(keys):
    """An empty key set is an error, never a bundle that knows nobody."""
    with pytest.raises(InvalidInputError) as refused:
        Bundle.parse(_bundle(*keys), DOMAIN)
    assert refused.value.code == "empty_key_set"


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        _bundle(JWK | {"kid": "a", "use": "jwt-svid"}, JWK | {"kid": "a", "use": "jwt-svid"}),
        _bundle(JWK | {"kid": "a", "use": "jwt-svid"}, spiffe_sequence=-1),
        _bundle(JWK | {"kid": "a", "use": "jwt-svid"}, spiffe_sequence=True),
        _bundle(JWK | {"kid": "a", "use": "jwt-svid"}, spiffe_refresh_hint=1.5),
    ],
)
def test_a_malformed_document_is_refused(document):
    """Ambiguous or mistyped documents are refused whole."""
    with pytest.raises(InvalidInputError):
        Bundle.parse(document, DOMAIN)
