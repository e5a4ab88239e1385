"""Status events on the wire (RFC 8417)."""

import json

import pytest

from remit.bundle import parse_jwks
from remit.errors import InvalidInputError
from remit.jose import b64url_decode, sign_compact
from remit.secevent import MAX_MARKS, StatusEvent, StatusMark
from tests.fakes.public_issuer import SigningKey

ISSUER = "https://issuer.example.org"
URI = f"{ISSUER}/statuslists/1"
KEY = SigningKey("status-1", 202)
KEYS = parse_jwks(json.dumps({"keys": [KEY.jwk(use="sig", alg="ES256")]}).encode())


def event(**members):
    return StatusEvent(**({"issuer": ISSUER, "issued_at": 1000, "seq": 7, "bundle_seq": 2} | members))


def verify(token, **changed):
    return StatusEvent.verify(token.encode(), **({"keys": KEYS, "issuer": ISSUER, "now": 1000} | changed))


def payload_of(token):
    return json.loads(b64url_decode(token.split(".")[1]))


def signed(payload, typ="secevent+jwt", kid="status-1"):
    return sign_compact({"alg": "ES256", "kid": kid, "typ": typ}, json.dumps(payload).encode(), KEY.private)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"marks": (StatusMark(URI, 4, 1), StatusMark(URI, 5, 1))},
        {"marks": (StatusMark(URI, 4, 1), StatusMark(URI, 9, 2), StatusMark(URI, 10, 0))},
        {"lists": (URI,)},
        {"keys": ("k1", "k2"), "marks": (StatusMark(URI, 4, 1),)},
    ],
)
def test_an_event_reads_as_it_was_signed(members):
    """What is signed is what is read."""
    assert verify(event(**members).sign(KEY.private, "status-1")) == event(**members)


def test_names_are_those_of_the_standards_where_there_are_any():
    """CAEP names revocation of sessions and of credentials, SSF the heartbeat."""
    told = payload_of(event(marks=(StatusMark(URI, 4, 1),), keys=("k",)).sign(KEY.private, "status-1"))
    assert told["events"] == {
        "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
            "statuses": [{"uri": URI, "idx": 4, "value": 1}]
        },
        "https://schemas.openid.net/secevent/caep/event-type/credential-change": {
            "credential_type": "jwk",
            "change_type": "revoke",
            "kids": ["k"],
        },
    }
    beat = payload_of(event().sign(KEY.private, "status-1"))
    assert beat["events"] == {"https://schemas.openid.net/secevent/ssf/event-type/verification": {}}


def base():
    return payload_of(event(marks=(StatusMark(URI, 4, 1),)).sign(KEY.private, "status-1"))


REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
BEAT = "https://schemas.openid.net/secevent/ssf/event-type/verification"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.update(iss="https://other.example.org"),
        lambda p: p.update(iat=1006),
        lambda p: p.pop("seq"),
        lambda p: p.update(seq=-1),
        lambda p: p.pop("bundle_seq"),
        lambda p: p.update(events={}),
        lambda p: p["events"].update({BEAT: {}}),
        lambda p: p["events"].update({"urn:example:unknown": {}}),
        lambda p: p["events"][REVOKED].update(statuses=[]),
        lambda p: p["events"][REVOKED].update(statuses=[{"uri": URI, "idx": 4, "value": 0}]),
        lambda p: p["events"][REVOKED].update(statuses=[{"uri": URI, "idx": 4, "value": 3}]),
        lambda p: p["events"][REVOKED].update(statuses=[{"uri": URI, "idx": -4, "value": 1}]),
        lambda p: p["events"][REVOKED].update(statuses=[{"uri": URI, "idx": 4, "value": 1}] * (MAX_MARKS + 1)),
    ],
)
def test_what_does_not_say_exactly_what_changed_is_refused(spoil):
    """An event that is of somebody else, unknown, empty or ambiguous never counts as one that was heard."""
    told = base()
    assert verify(signed(told))
    spoil(told)
    with pytest.raises(InvalidInputError):
        verify(signed(told))


def test_only_a_status_key_says_what_changed():
    """Another key, another type and another kid are refused."""
    other = SigningKey("status-1", 303)
    with pytest.raises(InvalidInputError):
        verify(event().sign(other.private, "status-1"))
    with pytest.raises(InvalidInputError, match="no known key"):
        verify(event().sign(KEY.private, "status-2"))
    with pytest.raises(InvalidInputError):
        verify(signed(base(), typ="JWT"))
