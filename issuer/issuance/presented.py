"""Agent tokens that come back to us.

One that is addressed to the token endpoint may be delegated from, by its holder alone. In this order; whatever fails, the token
is refused:

1. Form, header, and the signature by a token key that is published now (a tainted one is not).
2. Claims: our own `iss`, not over yet, `aud` the token endpoint and nothing else. What a provider was shown has another audience.
3. The record of its issuance, by `jti`: key, subject, audience and end are the recorded ones. From here on the record speaks.
4. Possession: the request's proof is by the key that the token is bound to, or by the sidecar that obtained it, which covers the body
   too. Whichever it is: the sidecar, or the one that holds that key for its agent, is active.

Whether the authority behind it still stands is the decision's business, and the record's.

A provider may ask of one that is for an audience of its own whether it is good: by steps 1 to 3, and by its status now.
"""

from collections.abc import Collection
from typing import Final

from attestors.base import Appraisal
from attestors.errors import EvidenceRefusedError
from issuer.attestation.store import find_sidecar, sidecar_holding
from issuer.issuance import store
from issuer.issuance.model import Caller, Delegation
from issuer.issuance.store import IssuedRecord
from issuer.keys import KeyService, Purpose
from issuer.registry.state import StatusValue
from issuer.status.model import StatusIndex
from issuer.status.store import value_of
from issuer.storage import Database, Transaction
from remit.dpop import Proof
from remit.errors import InvalidInputError, ProofRefusedError
from remit.ids import SPIFFEID, AgentName
from remit.jose import ALGORITHMS, PublicKey, UnverifiedJWS, parse_unverified
from remit.verifier.claims import AgentClaims, decode_claims

_MAX_TOKEN_BYTES: Final = 8192
_HEADER_NAMES: Final = {"alg", "kid", "typ"}


class PresentedTokens:
    """Judges agent tokens of one issuer that are shown to it."""

    def __init__(self, database: Database, keys: KeyService, issuer: str, leeway_seconds: int) -> None:
        """Judge tokens of `issuer`, its public URL."""
        self._database = database
        self._keys = keys
        self._issuer = issuer
        self._audience = f"{issuer}/token"
        self._leeway_seconds = leeway_seconds

    async def delegation(
        self, token: str, proof: Proof, now: int, *, body_covered: bool
    ) -> tuple[Caller, Appraisal, Delegation]:
        """Who delegates, until when, and what.

        Args:
            token: the subject token.
            proof: of the request, verified and used up.
            now: unix seconds.
            body_covered: whether the proof covers the request's body.

        Raises:
            EvidenceRefusedError: the token is not accepted.
            ProofRefusedError: the proof is by another key, or does not cover the body.
            UnauthenticatedError: the sidecar is suspended or revoked.
        """
        kid, claims = await self._verified(token, now)
        if claims.aud != self._audience:
            raise EvidenceRefusedError(
                "the subject token is not for the token endpoint",
                hint=f"delegate from a token whose audience is {self._audience}",
            )
        record = await self._database.read(lambda tx: store.issued(tx, claims.jti))
        if record is None or not _agrees(record, claims, kid):
            raise EvidenceRefusedError("the token is not one that this issuer has a record of")
        caller = await self._database.read(lambda tx: holder_of(tx, record, proof, body_covered=body_covered))
        appraisal = Appraisal(frozenset(), f"agent token {claims.jti}", expires_at=claims.exp)
        return caller, appraisal, delegation_of(record, claims.jti)

    async def claims_of(self, token: str, audiences: Collection[str], now: int) -> AgentClaims | None:
        """What a token says that is good now and for one of `audiences`; None of every other, whatever is wrong with it."""
        try:
            kid, claims = await self._verified(token, now)
        except EvidenceRefusedError:
            return None
        if claims.aud not in audiences or now >= claims.exp:
            return None
        return await self._database.read(lambda tx: _in_force(tx, claims, kid))

    async def _verified(self, token: str, now: int) -> tuple[str, AgentClaims]:
        """Steps 1 and 2: the key that signed, and the claims."""
        try:
            jws = parse_unverified(token, max_bytes=_MAX_TOKEN_BYTES)
            kid = await self._check_signature(jws, now)
            claims = decode_claims(jws.payload_bytes)
        except InvalidInputError as error:
            raise EvidenceRefusedError(f"the subject token: {error.detail}") from error
        if claims.iss != self._issuer:
            raise EvidenceRefusedError("the subject token is of another issuer")
        if now >= claims.exp + self._leeway_seconds or claims.nbf > now + self._leeway_seconds:
            raise EvidenceRefusedError(
                "the subject token is outside its time", code="evidence_expired", hint="get a fresh one"
            )
        return kid, claims

    async def _check_signature(self, jws: UnverifiedJWS, now: int) -> str:
        header = jws.unverified_header()
        alg, kid = header.get("alg"), header.get("kid")
        if (
            header.keys() != _HEADER_NAMES
            or header["typ"] != "JWT"
            or not isinstance(alg, str)
            or alg not in ALGORITHMS
        ):
            raise InvalidInputError("its header is not exactly alg, kid and typ JWT")
        published = await self._keys.published(Purpose.TOKEN, now=now)
        jwk = next((key.jwk for key in published.keys if key.kid == kid), None)
        if jwk is None or not isinstance(kid, str):
            raise InvalidInputError("its key is not one that this issuer publishes")
        PublicKey.from_jwk(jwk).verify(jws.signing_input, jws.signature, alg)
        return kid


async def holder_of(tx: Transaction, record: IssuedRecord, proof: Proof, *, body_covered: bool) -> Caller:
    """Step 4: who holds the token of this record, by a proof of their key.

    Raises:
        ProofRefusedError: the proof is by another key, or does not cover the body.
        UnauthenticatedError: the sidecar is suspended or revoked.
    """
    if record.detail.jkt == proof.jkt:
        holding = await sidecar_holding(tx, proof.jkt)
        return Caller(f"agent:{record.agent}", None) if holding is None else Caller.of(holding.admitted())
    sidecar = await find_sidecar(tx, proof.jkt)
    if sidecar is None or record.actor != f"sidecar:{sidecar.name}":
        raise ProofRefusedError(
            "the proof is neither by the key that the token is bound to nor by the sidecar that obtained it",
            hint="an agent without a sidecar delegates from tokens that are bound to its key",
        )
    if not body_covered:
        raise ProofRefusedError("the sidecar's proof does not cover the body", hint="its bsh is missing or wrong")
    return Caller.of(sidecar.admitted())


async def _in_force(tx: Transaction, claims: AgentClaims, kid: str) -> AgentClaims | None:
    record = await store.issued(tx, claims.jti)
    if record is None or not _agrees(record, claims, kid):
        return None
    return claims if await value_of(tx, StatusIndex(*record.detail.status)) is StatusValue.VALID else None


def _agrees(record: IssuedRecord, claims: AgentClaims, kid: str) -> bool:
    """Step 3: a token that was forged with a key of ours is not the recorded one."""
    detail = record.detail
    try:
        agent = str(AgentName.from_spiffe_id(SPIFFEID.parse(claims.sub)))
    except InvalidInputError:
        return False
    return (detail.kid, record.agent, detail.audience, detail.exp) == (kid, agent, claims.aud, claims.exp)


def delegation_of(record: IssuedRecord, jti: str) -> Delegation:
    """What may be delegated from a token, by the record of its issuance."""
    detail = record.detail
    return Delegation(
        jti=jti,
        agent=AgentName.parse(record.agent),
        grant_id=record.grant_id,
        index=StatusIndex(*detail.status),
        scope=bytes(detail.scope).decode(),
        task=detail.task,
        jkt=detail.jkt,
    )
