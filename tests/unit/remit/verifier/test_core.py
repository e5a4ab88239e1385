"""Time, audience, possession, freshness: what does not depend on the token alone."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from remit.dpop import create_proof
from remit.errors import ProofRefusedError, RefusedError, RevokedError, StaleError, TokenExpiredError, TokenInvalidError
from remit.jose import b64url_encode, public_jwk, thumbprint
from remit.verifier.core import Presented, Rules, check_now, check_possession, verify_token
from remit.verifier.state import Moment, Snapshot
from tests.fakes.known import NOW, RULES, STALENESS, accept, issuer_state, list_token, snapshot
from tests.vectors import world

URL = "https://api.example.com/v1/messages"


def test_an_accepted_token_says_who_pays_for_what():
    """Every part of the credential comes from the token's claims."""
    sub = world.claims()["sub"]
    token = world.sign(world.claims(sub=sub + "/sub/search", parent_agent=sub, cnf=None))
    credential = accept(token)
    assert (str(credential.agent), str(credential.parent_agent)) == ("acme/planner/sub/search", "acme/planner")
    assert (credential.account, credential.task, credential.audience) == ("acme", "task-81", world.AUDIENCE)
    assert (credential.issuer, credential.issued_at, credential.expires_at) == (
        world.ISSUER,
        world.NOW,
        world.NOW + 300,
    )
    assert (credential.status.uri, credential.status.index) == (world.LIST, 412)
    assert credential.scope.to_wire() == world.scope()
    assert credential.key_thumbprint is None


@pytest.mark.parametrize(("wall", "accepted"), [(-6, False), (-5, True), (0, True), (304.9, True), (305, False)])
def test_the_leeway_is_used_once_at_each_end(wall, accepted):
    """A token is good from 5 s before its `iat` until just before 5 s after its `exp`."""
    known = Snapshot([issuer_state().with_list(list_token(), Moment(world.NOW + wall, 0.0), 10_000)])
    now = Moment(world.NOW + float(wall), 1.0)
    known.lists[world.LIST] = (world.NOW + 10_000.0, 10.0, known.lists[world.LIST][2])
    outcome = verify_token(world.sign(world.claims()), known, RULES)
    if accepted:
        check_now(outcome, known, now)
        return
    with pytest.raises(TokenExpiredError):
        check_now(outcome, known, now)


def test_each_of_several_audiences_is_accepted():
    """A verifier may have more than one name; a token still has one audience."""
    rules = Rules(frozenset({"https://a.example", world.AUDIENCE}))
    assert accept(world.sign(world.claims(aud="https://a.example")), rules=rules).audience == "https://a.example"
    with pytest.raises(TokenInvalidError):
        accept(world.sign(world.claims(aud="https://b.example")), rules=rules)


def test_each_issuer_has_only_its_own_keys_and_domain():
    """With two issuers trusted, a token of one is never checked with the keys or the trust domain of the other."""
    theirs = {
        "iss": world.OTHER_ISSUER,
        "sub": "spiffe://other.example/account/acme/agent/planner",
        "status": {"status_list": {"idx": 4, "uri": world.OTHER_LIST}},
    }
    head = world.header(kid="key-2")
    assert accept(world.sign(world.claims(**theirs), head, world.FOREIGN_KEY)).issuer == world.OTHER_ISSUER
    for changes in ({"iss": world.ISSUER}, {"sub": world.claims()["sub"]}, {"status": world.claims()["status"]}):
        with pytest.raises(TokenInvalidError):
            accept(world.sign(world.claims(**(theirs | changes)), head, world.FOREIGN_KEY))


@pytest.mark.parametrize("alg", ["RS256", "PS512"])
def test_rsa_tokens_are_accepted_with_an_rsa_key(alg):
    """A JWT-SVID may be signed with RSA; the key in the bundle decides."""
    key = rsa.generate_private_key(65537, 2048)
    state = issuer_state(bundle={"keys": [public_jwk(key) | {"kid": "rsa-1", "use": "jwt-svid"}]})
    known = Snapshot([state.with_list(list_token(), Moment(world.NOW, 0.0), STALENESS)])
    digest = {"RS256": hashes.SHA256(), "PS512": hashes.SHA512()}[alg]
    scheme = padding.PKCS1v15() if alg[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
    parts = (world.compact(world.header(alg=alg, kid="rsa-1")), world.compact(world.claims()))
    signing_input = ".".join(map(b64url_encode, parts))
    token = f"{signing_input}.{b64url_encode(key.sign(signing_input.encode(), scheme, digest))}"
    assert accept(token, known).account == "acme"


@pytest.mark.parametrize(("wall", "boot"), [(10.5, 1.0), (1.0, 10.5), (-500.0, 10.5), (10.5, -500.0)])
def test_past_the_bound_on_either_clock_nothing_is_accepted(wall, boot):
    """A stepped wall clock cannot hide a long sleep, and a short uptime cannot hide an old list."""
    outcome = verify_token(world.sign(world.claims(iat=world.NOW - 600, nbf=world.NOW - 600)), snapshot(), RULES)
    with pytest.raises(StaleError):
        check_now(outcome, snapshot(), Moment(world.NOW + wall, boot))


def test_a_stale_list_is_no_reason_to_say_revoked():
    """Staleness is told as such, so that an operator looks at the connection."""
    outcome = verify_token(
        world.sign(world.claims(status={"status_list": {"idx": 1, "uri": world.LIST}})), snapshot(), RULES
    )
    with pytest.raises(RevokedError):
        check_now(outcome, snapshot(), NOW)
    with pytest.raises(StaleError):
        check_now(outcome, snapshot(), Moment(world.NOW + 11.0, 1.0))


# -- possession


def _bound_token():
    return world.sign(world.claims(cnf={"jkt": thumbprint(public_jwk(world.AGENT_KEY))}))


def _check(token, proof, method="POST", url=URL):
    credential = verify_token(token, snapshot(), RULES)[0]
    return check_possession(credential, Presented(token, proof, method, url), world.NOW, 5)


def _proof(token, key=world.AGENT_KEY, method="POST", url=URL, now=world.NOW):
    return create_proof(key, method, url, now=now, access_token=token)


def test_a_bound_token_is_accepted_with_a_proof_by_its_key():
    """The proof is by the token's key, for this token and this request."""
    token = _bound_token()
    assert _check(token, _proof(token)).jkt == thumbprint(public_jwk(world.AGENT_KEY))


@pytest.mark.parametrize(
    "make",
    [
        lambda token: None,
        lambda token: "",
        lambda token: b"proof",
        lambda token: 5,
        lambda token: token,
        lambda token: _proof(token, world.FOREIGN_KEY),
        lambda token: _proof(token + "x"),
        lambda token: _proof(token, method="GET"),
        lambda token: _proof(token, url=URL + "/other"),
        lambda token: _proof(token, now=world.NOW - 120),
        lambda token: _proof(token, now=world.NOW + 60),
    ],
    ids=["none", "empty", "bytes", "number", "the-token", "other-key", "other-token", "method", "url", "old", "future"],
)
def test_a_bound_token_is_useless_without_a_right_proof(make):
    """A stolen bound token, shown with no proof or with another's, is refused."""
    token = _bound_token()
    with pytest.raises(ProofRefusedError):
        _check(token, make(token))


def test_the_request_must_be_told():
    """Without method and url there is nothing to compare a proof with."""
    token = _bound_token()
    for missing in ({"method": None}, {"url": None}):
        with pytest.raises(ProofRefusedError):
            _check(token, _proof(token), **missing)


def test_a_proof_with_an_unbound_token_is_refused():
    """A client that proves a key expects its token to be bound to it."""
    token = world.sign(world.claims())
    with pytest.raises(RefusedError):
        _check(token, _proof(token))
