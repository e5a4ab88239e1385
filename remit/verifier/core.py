"""Whether a token is accepted: one pure function of the token, what is known of the issuers, the rules and the time.

The checks, in their order:

1.  Form: text of at most 8 KiB in three parts of canonical base64url.
2.  Claims, not yet believed: every required one there and of its type, one `aud`, no name twice or escaped.
3.  Issuer: `iss` is exactly one of those that are configured; from here on only its own keys, lists and trust domain count.
4.  Header: exactly `alg`, `kid` and `typ` JWT; the key is the issuer's and the algorithm is the key's (JWT-SVID section 2).
5.  Signature. All that follows is the issuer's word.
6.  Audience: one of the verifier's own.
7.  Time: `iat`, `nbf`, `exp` with one leeway, and a lifetime within the bound.
8.  Subject: an agent of the trust domain that the issuer announced; `tenant` and `parent_agent` agree with it.
9.  Scope: one `agent_spend` authorization detail.
10. Status: a list that the issuer announces, fresh; the grant's status there is valid.
11. Possession: when the token is bound to a key, a proof by that key for this request that was not used before.

Steps 1 to 9 have one outcome for one token and one key set, and may be remembered; time, 10 and 11 are looked at on every call.
"""

from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from msgspec import UNSET, UnsetType

from remit.credential import Credential, StatusReference
from remit.dpop import NonceCheck, Proof, verify_proof
from remit.errors import (
    InvalidInputError,
    ProofRefusedError,
    RefusedError,
    RevokedError,
    StaleError,
    SuspendedError,
    TokenExpiredError,
    TokenInvalidError,
)
from remit.ids import SPIFFEID, AgentName
from remit.jose import b64url_decode
from remit.scope import SpendScope
from remit.statuslist import INVALID, SUSPENDED, VALID
from remit.verifier.claims import PARENT_ASSERTED, AgentClaims, decode_claims
from remit.verifier.state import IssuerState, LiveList, Moment, Snapshot

MAX_TOKEN_BYTES: Final = 8192

_STATUS_MASK: Final = 3


class Rules(msgspec.Struct, frozen=True):
    """What a verifier demands of every token.

    Attributes:
        audiences: who this verifier is; never empty.
        leeway: the clock difference that is tolerated, in seconds; used once in each comparison.
        max_lifetime: the longest `exp - iat` accepted, in seconds.
    """

    audiences: AbstractSet[str]
    leeway: int = 5
    max_lifetime: int = 3600


Accepted = tuple[Credential, str, int, int, int, int]
"""The outcome of steps 1 to 9 for one token, laid out for the check of time and status on every call.

A plain tuple, because the interpreter takes one apart four times as fast as a named one: the credential; the URI of its status
list; the byte of the list that holds the status, and the shift in it; the unix seconds from which the token is accepted, and
those from which it no longer is, leeway included.
"""


class Presented(NamedTuple):
    """What a request shows: the token, and for a token that is bound to a key a proof for this request.

    Attributes:
        token: the agent token.
        proof: the `DPoP` header.
        method: the request's method.
        url: the request's URL as the server publishes it.
        nonce_check: what the proof's nonce must pass, where the server asks for one.
    """

    token: str
    proof: str | None
    method: str | None
    url: str | None
    nonce_check: NonceCheck | None = None


def verify_token(token: object, snapshot: Snapshot, rules: Rules) -> Accepted:
    """Steps 1 to 9 of the module's order, except that the time is left to `check_now`.

    Raises:
        RefusedError: the token is not accepted; `code` says at which step.
    """
    try:
        header, payload, signing_input, signature = _take_apart(token)
        claims = decode_claims(b64url_decode(payload))
        state = snapshot.issuers.get(claims.iss)
        if state is None:
            raise TokenInvalidError("the token is of an issuer that is not configured", code="unknown_issuer")
        state.token_keys.check_of(header)(signature, signing_input)
    except InvalidSignature as error:
        raise TokenInvalidError("the signature is not by the issuer's key", code="signature_invalid") from error
    except InvalidInputError as error:
        raise TokenInvalidError(error.detail, code=error.code, hint=error.hint) from error
    _check_rules(claims, rules)
    return _accept(claims, state, rules.leeway)


def check_now(accepted: Accepted, snapshot: Snapshot, now: Moment) -> None:
    """Steps 7 and 10 for a token whose other steps passed.

    Raises:
        TokenExpiredError: `now` is outside its validity period.
        StaleError: its list is not known freshly.
        RevokedError: its grant was revoked.
        SuspendedError: its grant is suspended.
        TokenInvalidError: its list is not announced, or has no such index or status.
    """
    credential, uri, _, _, begins, ends = accepted
    if now.wall < begins:
        raise TokenExpiredError("the token is not valid yet", code="token_not_yet_valid", hint="check the clock")
    if now.wall >= ends:
        raise TokenExpiredError("the token has expired", hint="get a new one from the sidecar")
    check_status(credential.status, snapshot.lists.get(uri), now)


def check_possession(credential: Credential, presented: Presented, now: int, leeway: int) -> Proof:
    """Step 11 for a token that is bound to a key, or a request with a proof; the proof is still to be used up.

    Raises:
        ProofRefusedError: a proof is missing, not by the token's key, not for this request, or came with an unbound token.
    """
    if credential.key_thumbprint is None:
        raise ProofRefusedError("a proof came with a token that is bound to no key", hint="send it as Bearer")
    token, proof, method, url, nonce_check = presented
    if type(proof) is not str or method is None or url is None:
        hint = "send a DPoP header, and pass proof=, method= and url="
        raise ProofRefusedError("the token is bound to a key and no proof came with it", hint=hint)
    shown = verify_proof(
        proof, method=method, url=url, now=now, access_token=token, nonce_check=nonce_check, leeway=leeway
    )
    if shown.jkt != credential.key_thumbprint:
        raise ProofRefusedError("the proof is by another key than the token's")
    return shown


def check_status(status: StatusReference, live: LiveList | None, now: Moment) -> None:
    """Step 10: the status of a grant, read from a fresh list; raises as `check_now`."""
    if live is None:
        raise _unknown_list()
    wall_deadline, boot_deadline, data = live
    if now.wall > wall_deadline or now.boot > boot_deadline:
        raise StaleError("what is known of the issuer is too old", hint="the issuer must be reachable from here")
    if status.index >= len(data) * 4:
        raise TokenInvalidError("the token's status index is outside its list", code="status_out_of_range")
    value = data[status.index >> 2] >> (status.index & 3) * 2 & _STATUS_MASK
    if value != VALID:
        raise _refusal_of(value)


def _refusal_of(value: int) -> RefusedError:
    if value == INVALID:
        return RevokedError("the grant behind the token was revoked")
    if value == SUSPENDED:
        return SuspendedError("the grant behind the token is suspended")
    return RefusedError("the grant behind the token has a status that means nothing here", code="unknown_status")


def _unknown_list() -> TokenInvalidError:
    return TokenInvalidError("the token's status list is not announced by its issuer", code="unknown_status_list")


def _take_apart(token: object) -> tuple[str, str, bytes, bytes]:
    """The header and payload parts as text, the signing input, and the signature."""
    if type(token) is not str or len(token) > MAX_TOKEN_BYTES:
        _malformed(f"it is not text of at most {MAX_TOKEN_BYTES} bytes")
    signed, second, signature = token.rpartition(".")
    header, first, payload = signed.partition(".")
    if not first or not second or not signed.isascii():
        _malformed("it is not three parts in ascii")
    return header, payload, signed.encode("ascii"), b64url_decode(signature)


def _malformed(why: str) -> NoReturn:
    raise TokenInvalidError(f"malformed token: {why}", code="malformed_jws")


def _check_rules(claims: AgentClaims, rules: Rules) -> None:
    """Step 6, and what of step 7 does not depend on the clock."""
    if claims.aud not in rules.audiences:
        raise TokenInvalidError("the token is for another audience", code="wrong_audience")
    if not claims.iat - rules.leeway <= claims.nbf < claims.exp or claims.exp <= claims.iat:
        raise TokenInvalidError("the token ends before it begins", code="claims_refused")
    if claims.exp - claims.iat > rules.max_lifetime:
        raise TokenInvalidError(f"the token lives longer than {rules.max_lifetime} seconds", code="lifetime_refused")


def _accept(claims: AgentClaims, state: IssuerState, leeway: int) -> Accepted:
    subject = _subject(claims.sub)
    _check_subject(subject, claims, state)
    status = claims.status.status_list
    if status.uri not in state.lists:
        raise _unknown_list()
    credential = Credential(
        issuer=state.issuer,
        spiffe_id=subject.spiffe_id,
        agent=subject.agent,
        account=subject.account,
        audience=claims.aud,
        task=None if claims.txn is UNSET else claims.txn,
        scope=_scope(bytes(claims.authorization_details[0])),
        issued_at=claims.iat,
        expires_at=claims.exp,
        jti=claims.jti,
        status=StatusReference(status.uri, status.idx),
        key_thumbprint=None if claims.cnf is UNSET else claims.cnf.jkt,
        parent_agent=subject.parent,
        parent_asserted=claims.amr is not UNSET and PARENT_ASSERTED in claims.amr,
        on_behalf_of=None if claims.on_behalf_of is UNSET else claims.on_behalf_of,
    )
    begins = max(claims.nbf, claims.iat)
    return credential, status.uri, status.idx >> 2, (status.idx & 3) * 2, begins - leeway, claims.exp + leeway


class _Subject(NamedTuple):
    spiffe_id: SPIFFEID
    trust_domain: str
    account: str
    agent: AgentName
    parent: AgentName | None
    parent_id: str | UnsetType


def _check_subject(subject: _Subject, claims: AgentClaims, state: IssuerState) -> None:
    if subject.trust_domain != state.metadata.trust_domain.name:
        raise TokenInvalidError("the subject is of another trust domain than the issuer", code="wrong_trust_domain")
    if claims.tenant != subject.account or claims.parent_agent != subject.parent_id:
        raise TokenInvalidError("tenant or parent_agent does not agree with the subject", code="claims_refused")


@lru_cache(maxsize=4096)
def _subject(text: str) -> _Subject:
    """Step 8's parts of a `sub`; the same text always has the same parts, and what is refused is not remembered."""
    try:
        spiffe_id = SPIFFEID.parse(text)
        agent = AgentName.from_spiffe_id(spiffe_id)
    except InvalidInputError as error:
        raise TokenInvalidError(error.detail, code="invalid_subject", hint=error.hint) from error
    parent = agent.parent
    parent_id = UNSET if parent is None else str(parent.spiffe_id(spiffe_id.trust_domain))
    return _Subject(spiffe_id, spiffe_id.trust_domain.name, agent.account, agent, parent, parent_id)


@lru_cache(maxsize=1024)
def _scope(wire: bytes) -> SpendScope:
    """Step 9; the same text always is the same scope, and what is refused is not remembered."""
    try:
        return SpendScope.parse(wire)
    except InvalidInputError as error:
        raise TokenInvalidError(error.detail, code="invalid_scope", hint=error.hint) from error
