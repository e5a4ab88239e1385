"""The one issuer that the token vectors speak of: fixed keys, a fixed time, fixed lists, deterministic signatures (RFC 6979)."""

import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from remit.jose import b64url_encode, public_jwk
from remit.statuslist import StatusList

ISSUER = "https://issuer.example.org"
OTHER_ISSUER = "https://other.example.net"
TRUST_DOMAIN = "example.org"
AUDIENCE = "https://api.example.com"
LIST = f"{ISSUER}/statuslists/1"
OTHER_LIST = f"{OTHER_ISSUER}/statuslists/1"
NOW = 1_750_000_000
STATUSES = {1: 1, 2: 2, 3: 3}
LIST_SIZE = 1024

KEY = ec.derive_private_key(1001, ec.SECP256R1())
STATUS_KEY = ec.derive_private_key(1002, ec.SECP256R1())
X509_KEY = ec.derive_private_key(1003, ec.SECP256R1())
FOREIGN_KEY = ec.derive_private_key(1004, ec.SECP256R1())
AGENT_KEY = ec.derive_private_key(1005, ec.SECP256R1())

HEADER = {"alg": "ES256", "kid": "key-1", "typ": "JWT"}


def bundle():
    """The issuer's SPIFFE bundle."""
    return {
        "keys": [
            public_jwk(KEY) | {"kid": "key-1", "use": "jwt-svid"},
            public_jwk(X509_KEY) | {"kid": "x509-1", "use": "x509-svid"},
        ],
        "spiffe_sequence": 1,
        "spiffe_refresh_hint": 300,
    }


def other_bundle():
    """The bundle of a second issuer that the verifier trusts as well."""
    return {"keys": [public_jwk(FOREIGN_KEY) | {"kid": "key-2", "use": "jwt-svid"}]}


def status_list():
    """Index 1 is revoked, 2 suspended, 3 has a value without a meaning; all others are valid."""
    return StatusList.pack(STATUSES, size=LIST_SIZE)


def scope(**changes):
    """A spend scope; a change to None leaves the field out."""
    fields = {
        "type": "agent_spend",
        "version": 1,
        "locations": ["https://api.example.com/v1/messages"],
        "actions": ["invoke"],
        "spend_limits": [{"amount": 50000, "unit": "USD", "decimals": 6, "interval": "per_authorization"}],
        "funding": "jit",
    }
    return _without_none(fields | changes)


def claims(**changes):
    """The claims of a good token; a change to None leaves the claim out."""
    fields = {
        "iss": ISSUER,
        "sub": f"spiffe://{TRUST_DOMAIN}/account/acme/agent/planner",
        "aud": AUDIENCE,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "jti": "0197761ea6000123456789abcdef01234567",
        "tenant": "acme",
        "sub_profile": "ai_agent",
        "parent_agent": None,
        "txn": "task-81",
        "authorization_details": [scope()],
        "status": {"status_list": {"idx": 412, "uri": LIST}},
    }
    return _without_none(fields | changes)


def header(**changes):
    """The header of a good token; a change to None leaves the member out."""
    return _without_none(HEADER | changes)


def compact(value):
    """JSON without white space; bytes pass as they are."""
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sign(payload, head=None, key=KEY):
    """A compact JWS over exactly this header and payload, signed deterministically."""
    signing_input = f"{b64url_encode(compact(HEADER if head is None else head))}.{b64url_encode(compact(payload))}"
    return f"{signing_input}.{b64url_encode(signature(signing_input, key))}"


def der_signature(signing_input, key=KEY):
    """An ECDSA signature in DER."""
    return key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def signature(signing_input, key=KEY):
    """An ECDSA signature as JWS has it: r and s, 32 bytes each."""
    r, s = decode_dss_signature(der_signature(signing_input, key))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _without_none(fields):
    return {name: value for name, value in fields.items() if value is not None}
