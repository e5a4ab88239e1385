"""Delegation without HTTP: a parent gets a token for the token endpoint, and one for a sub-agent with it."""

from attestors.base import Appraisal
from issuer.issuance import Caller, IssuanceRequest, IssuedCredential, store
from issuer.issuance.presented import delegation_of
from remit.errors import RemitError
from remit.ids import AgentName
from remit.jose import parse_unverified
from tests.fakes.issuing import AUDIENCE, ISSUER, IssuerCore, request

ENDPOINT = f"{ISSUER}/token"
EDGES_KEY = "e" * 43
EDGE = Caller("sidecar:edge-1", 1, EDGES_KEY)
PARENT = "acme/planner"
UID = "unix:uid:1000"


def claims(credential: IssuedCredential) -> dict:
    """What a token says."""
    return parse_unverified(credential.token).unverified_payload()


async def execute(core: IssuerCore, sql: str, *args) -> None:
    """Run a statement beside the services."""
    await core.registry._database.transaction(lambda tx: tx.execute(sql, *args))


async def with_edge(core: IssuerCore) -> None:
    """The sidecar `edge-1`, whose id is 1, has joined."""
    await execute(core, "INSERT INTO sidecars (id, name, jkt, created_at) VALUES (1, 'edge-1', $1, 0)", EDGES_KEY)


async def parent_token(core: IssuerCore, agent: str = PARENT, selector: str = UID, **more) -> IssuedCredential:
    """A token of the parent's for the token endpoint, obtained by the sidecar."""
    wanted = request(selector, agent=agent, audience=ENDPOINT, **{"caller": EDGE, **more})
    return await the_one(core, wanted)


async def delegating(core: IssuerCore, token: IssuedCredential, agent: str, **more) -> IssuanceRequest:
    """The request for a sub-agent's token, as it is once the parent's token was verified."""
    said = claims(token)
    record = await core.registry._database.read(lambda tx: store.issued(tx, said["jti"]))
    assert record is not None
    return IssuanceRequest(
        appraisal=Appraisal(frozenset(), f"agent token {said['jti']}", expires_at=said["exp"]),
        agent=AgentName.parse(agent),
        delegation=delegation_of(record, said["jti"]),
        single=True,
        **{"caller": EDGE, "audience": AUDIENCE, **more},
    )


async def delegate(core: IssuerCore, token: IssuedCredential, agent: str, **more) -> IssuedCredential:
    """A sub-agent's token."""
    return await the_one(core, await delegating(core, token, agent, **more))


async def not_delegated(core: IssuerCore, token: IssuedCredential, agent: str, **more) -> RemitError:
    """Why a sub-agent gets none."""
    (outcome,) = await core.issuance.issue([await delegating(core, token, agent, **more)])
    assert isinstance(outcome, RemitError), outcome
    return outcome


async def the_one(core: IssuerCore, wanted: IssuanceRequest) -> IssuedCredential:
    """The credential that a request gets."""
    (outcome,) = await core.issuance.issue([wanted])
    assert not isinstance(outcome, RemitError), outcome
    (credential,) = outcome
    return credential
