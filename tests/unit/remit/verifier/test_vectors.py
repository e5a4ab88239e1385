"""Every hostile token is refused with its code, every good one is accepted; and whatever a peer refuses, we refuse."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from spiffe import JwtBundle, JwtSvid
from spiffe import TrustDomain as PeerTrustDomain
from spiffe.errors import PySpiffeError

from remit.errors import RefusedError
from remit.jose import public_jwk
from tests.fakes.known import NOW, accept, snapshot
from tests.vectors import generate, world

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(generate.FOLDER.glob("*.json"))}
HOSTILE = [name for name, vector in VECTORS.items() if vector["code"]]
GOOD = [name for name, vector in VECTORS.items() if not vector["code"]]
SNAPSHOT = snapshot()


def test_the_files_are_what_the_generator_writes():
    """Each committed vector can be made again, byte for byte; none is left over, and there are many."""
    assert {path.name: path.read_text() for path in Path(generate.FOLDER).glob("*.json")} == generate.documents()
    assert len(HOSTILE) > 250


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_is_accepted(name):
    """Every form of a good token is accepted and says who calls."""
    assert accept(VECTORS[name]["token"], SNAPSHOT).account == "acme"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_for_its_reason(name):
    """Each hostile token is refused with the code of its file, so that no vector passes for another's reason."""
    with pytest.raises(RefusedError) as refused:
        accept(VECTORS[name]["token"], SNAPSHOT)
    assert refused.value.code == VECTORS[name]["code"]
    assert VECTORS[name]["token"] not in str(refused.value) or len(VECTORS[name]["token"]) < 9
    assert len(str(refused.value)) < 600


# -- the peers, at the time of the vectors


class _Then(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(NOW.wall, tz or UTC)


@pytest.fixture(autouse=True)
def _time_of_the_vectors(monkeypatch):
    monkeypatch.setattr("jwt.api_jwt.datetime", _Then)


def _pyjwt(token):
    jwt.decode(
        token,
        world.KEY.public_key(),
        algorithms=["ES256"],
        audience=world.AUDIENCE,
        issuer=world.ISSUER,
        leeway=5,
        options={"require": ["exp", "iat", "sub"]},
    )


_PEER_KEY = ECKey.import_key(public_jwk(world.KEY))
_PEER_CLAIMS = joserfc_jwt.JWTClaimsRegistry(
    now=int(NOW.wall),
    leeway=5,
    iss={"essential": True, "value": world.ISSUER},
    aud={"essential": True, "value": world.AUDIENCE},
    exp={"essential": True},
)


def _joserfc(token):
    _PEER_CLAIMS.validate(joserfc_jwt.decode(token, _PEER_KEY, algorithms=["ES256"]).claims)


_DOMAIN = PeerTrustDomain(world.TRUST_DOMAIN)
_PEER_BUNDLE = JwtBundle(_DOMAIN, {"key-1": world.KEY.public_key()})


def _spiffe(token):
    JwtSvid.parse_and_validate(token, _PEER_BUNDLE, {world.AUDIENCE})


PEERS = {"pyjwt": _pyjwt, "joserfc": _joserfc, "spiffe": _spiffe}
# What the peers raise for a token that they refuse; their plain Python errors are theirs to explain.
PEER_REFUSALS = (
    jwt.PyJWTError,
    JoseError,
    PySpiffeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)


def _peers_that_refuse(token):
    refusing = []
    for name, verify in PEERS.items():
        try:
            verify(token)
        except PEER_REFUSALS:
            refusing.append(name)
    return refusing


@pytest.mark.parametrize("name", GOOD)
def test_peers_accept_the_good_tokens(name):
    """What we accept is an ordinary JWT and JWT-SVID: PyJWT, joserfc and py-spiffe take every good token."""
    assert _peers_that_refuse(VECTORS[name]["token"]) == []


def test_peers_refuse_some_that_we_refuse_too():
    """The comparison has teeth: each peer refuses a good part of the hostile tokens, and we every one of them."""
    verdicts = {name: _peers_that_refuse(VECTORS[name]["token"]) for name in HOSTILE}
    for peer in PEERS:
        assert sum(peer in refusing for refusing in verdicts.values()) > 60


_CLAIM = st.sampled_from(sorted(world.claims()))
_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        [world.NOW, world.NOW + 200, world.AUDIENCE, world.ISSUER, "acme", f"spiffe://{world.TRUST_DOMAIN}/x"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claim=_CLAIM, value=_VALUE)
def test_whatever_a_peer_refuses_we_refuse(claim, value):
    """With any one claim replaced by anything and rightly signed, we are never the only ones to accept."""
    token = world.sign(world.claims() | {claim: value})
    try:
        accept(token, SNAPSHOT)
    except RefusedError:
        return
    assert _peers_that_refuse(token) == []


# -- mutations


GOOD_TOKEN = VECTORS["good"]["token"]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_token_is_never_accepted(data):
    """Characters replaced, removed, inserted or swapped anywhere: always a RefusedError, never another exception."""
    place = data.draw(st.integers(0, len(GOOD_TOKEN)))
    length = data.draw(st.integers(0, 4))
    inserted = data.draw(st.text(alphabet=st.characters() | st.sampled_from("AQgw.-_=+/ \n"), max_size=4))
    changed = GOOD_TOKEN[:place] + inserted + GOOD_TOKEN[place + length :]
    assume(changed != GOOD_TOKEN)
    with pytest.raises(RefusedError):
        accept(changed, SNAPSHOT)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(base64.urlsafe_b64decode(GOOD_TOKEN.split(".")[1] + "==")) - 1), st.binary(max_size=3))
def test_changed_claims_rightly_signed_raise_nothing_else(place, inserted):
    """Any bytes in the middle of the claims, signed by the issuer's key: accepted or a RefusedError."""
    payload = world.compact(world.claims())
    token = world.sign(payload[:place] + inserted + payload[place + 1 :])
    try:
        accept(token, SNAPSHOT)
    except RefusedError:
        return
    assert _peers_that_refuse(token) == []


@pytest.mark.parametrize(
    "token",
    [None, 0, b"", b"a.b.c", GOOD_TOKEN.encode(), [], {}, object(), ["a"], float("nan"), "\ud800", "\ud800.a.b", True],
)
def test_what_is_no_text_is_refused(token):
    """Whatever a caller passes by mistake is refused as a token, not a crash."""
    with pytest.raises(RefusedError):
        accept(token, SNAPSHOT)
