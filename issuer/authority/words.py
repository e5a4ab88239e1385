"""Reading the words: what could they mean? Pure; the registry then says which of the meanings exist.

A prefix settles it: `account:acme`, `agent:acme/planner`, `grant:gr_…`, `task:task-81`, `jti:…`, `sidecar:edge-1`, `operator:ana`.
So do the forms of a SPIFFE ID, a DID and a token. Anything else may mean several things.
"""

import msgspec

from issuer.authority.model import Kind
from issuer.registry.requests import check_task
from remit.errors import InvalidInputError
from remit.ids import DID, SPIFFEID, AccountName, AgentName, SidecarName, TrustDomain
from remit.jose import parse_unverified

_PREFIXES = {kind.value: kind for kind in Kind if kind is not Kind.TOKEN} | {"jti": Kind.TOKEN}


class Meaning(msgspec.Struct, frozen=True):
    """One thing that words may mean.

    Attributes:
        kind: what it would be.
        name: the name it would have: a token's is its `jti`.
    """

    kind: Kind
    name: str


def meanings(what: str, trust_domain: TrustDomain, host: str) -> tuple[Meaning, ...]:
    """What `what` may mean to the issuer of `trust_domain` at `host`, where DIDs are under.

    Nothing inside a token is believed: its `jti` only says which record to look up.

    Raises:
        InvalidInputError: it has the form of a SPIFFE ID, a DID or a token, but is none, or is of somebody else.
    """
    what = what.strip()
    prefix, colon, rest = what.partition(":")
    if what.startswith("spiffe:"):
        return (_from_spiffe_id(SPIFFEID.parse(what), trust_domain),)
    if what.startswith("did:"):
        return (_from_did(DID.parse(what), host),)
    if colon and prefix in _PREFIXES:
        return (Meaning(_PREFIXES[prefix], rest),)
    if what.startswith("eyJ") and what.count(".") == 2:
        return (Meaning(Kind.TOKEN, _unverified_jti(what)),)
    return tuple(Meaning(kind, what) for kind in _possible_kinds(what))


def _from_spiffe_id(spiffe_id: SPIFFEID, trust_domain: TrustDomain) -> Meaning:
    if spiffe_id.trust_domain != trust_domain:
        raise InvalidInputError("this SPIFFE ID is of another trust domain", hint=f"this issuer's is {trust_domain}")
    if spiffe_id.segments[:1] == ("sidecar",):
        return Meaning(Kind.SIDECAR, str(SidecarName.from_spiffe_id(spiffe_id)))
    return Meaning(Kind.AGENT, str(AgentName.from_spiffe_id(spiffe_id)))


def _from_did(did: DID, host: str) -> Meaning:
    if did.host != host:
        raise InvalidInputError("this DID is of another issuer", hint=f"this one's are under {host}")
    return Meaning(Kind.ACCOUNT, did.account) if did.agent is None else Meaning(Kind.AGENT, str(did.agent))


def _unverified_jti(token: str) -> str:
    jti = parse_unverified(token).unverified_payload().get("jti")
    if not isinstance(jti, str):
        raise InvalidInputError("this token has no jti", hint="name its agent or its grant instead")
    return jti


def _possible_kinds(what: str) -> list[Kind]:
    """The kinds that have names of this form."""
    forms = (
        (Kind.ACCOUNT, AccountName.parse),
        (Kind.AGENT, AgentName.parse),
        (Kind.GRANT, AccountName.parse),
        (Kind.TASK, check_task),
        (Kind.TOKEN, AccountName.parse),
    )
    kinds = []
    for kind, parse in forms:
        try:
            parse(what)
        except InvalidInputError:
            continue
        kinds.append(kind)
    return kinds
