"""Reading the words: what could they mean? Pure; the registry then says which of the meanings exist.

A prefix settles it: `account:acme`, `agent:acme/planner`, `grant:gr_…`, `task:task-81`, `jti:…`, `sidecar:edge-1`, `operator:ana`,
`provider:search-api`, `person:ISSUER#SUBJECT`, `key:KID`. So do the forms of a SPIFFE ID, a DID and a token. Anything else may mean
several things.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from issuer.authority.model import Kind
from remit.errors import InvalidInputError
from remit.ids import DID, SPIFFEID, AccountName, AgentName, SidecarName, TrustDomain, check_task
from remit.jose import parse_unverified

_DIGEST_RE: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PREFIXES = {kind.value: kind for kind in Kind if kind is not Kind.TOKEN} | {"jti": Kind.TOKEN}


class Meaning(msgspec.Struct, frozen=True):
    """One thing that words may mean.

    Attributes:
        kind: what it would be.
        name: the name it would have: a token's is its `jti`, a person's a digest.
        scid: what the history of that name must be certified by, when it was named by its did:webvh.
    """

    kind: Kind
    name: str
    scid: str | None = None


class Vocabulary(msgspec.Struct, frozen=True):
    """What words mean at one issuer.

    Attributes:
        trust_domain: the only one whose SPIFFE IDs mean something here.
        host: host and port of the public URL, which DIDs are under.
        person_digest: what a person is known by here, from the issuer and the subject of their tokens.
    """

    trust_domain: TrustDomain
    host: str
    person_digest: Callable[[str, str], str]


def meanings(what: str, vocabulary: Vocabulary) -> tuple[Meaning, ...]:
    """What `what` may mean, at least one thing.

    Nothing inside a token is believed: its `jti` only says which record to look up. Who a person is goes no further than here.

    Raises:
        InvalidInputError: it has the form of a SPIFFE ID, a DID or a token, but is none, or is of somebody else.
    """
    what = what.strip()
    prefix, colon, rest = what.partition(":")
    if what.startswith("spiffe:"):
        return (_from_spiffe_id(SPIFFEID.parse(what), vocabulary.trust_domain),)
    if what.startswith("did:"):
        return (_from_did(DID.parse(what), vocabulary.host),)
    if colon and prefix == Kind.PERSON:
        return (Meaning(Kind.PERSON, _digest_of(rest, vocabulary)),)
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
    return Meaning(Kind.ACCOUNT if did.agent is None else Kind.AGENT, did.subject, did.scid)


def _digest_of(person: str, vocabulary: Vocabulary) -> str:
    issuer, hash_sign, subject = person.partition("#")
    if not hash_sign and _DIGEST_RE.fullmatch(person):
        return person
    if not issuer or not subject:
        raise InvalidInputError(
            "this names no person", hint="say person:ISSUER#SUBJECT, with `iss` and `sub` as their tokens have them"
        )
    return vocabulary.person_digest(issuer, subject)


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
