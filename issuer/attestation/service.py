"""The one door to attestation: joining, sessions, and the appraisal of evidence."""

from collections.abc import Mapping
from typing import Final

import msgspec
from cachetools import LRUCache

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.errors import EvidenceRefusedError
from issuer.attestation import store
from issuer.attestation.model import (
    SESSION_PREFIX,
    SESSION_SECONDS,
    ActiveSidecar,
    Session,
    SessionRecord,
    SidecarRecord,
    check_join,
    check_session,
)
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.errors import UnauthenticatedError
from issuer.registry import bearer
from issuer.storage import Database, Transaction

_MAX_EVIDENCE_BYTES: Final = 65_536
_REMEMBERED: Final = 1024
"""Most appraisals, and most sessions, that are remembered."""
_REMEMBERED_BYTES: Final = 2048
"""Longest evidence whose appraisal is remembered."""
_SESSION_SECONDS: Final = 1
"""How long a session is believed without another look. What is issued to it is safe: the record reads its sidecar's state."""


class _Evidence(msgspec.Struct, frozen=True):
    """The one field that all evidence has; the attestor it names reads the rest."""

    attestor: str


class _SeenSession(msgspec.Struct, frozen=True):
    """A session that was good, and the last second in which it is not looked up again."""

    session: SessionRecord
    until: int


class AttestationService:
    """Attestation of one issuer."""

    def __init__(self, database: Database, attestors: Mapping[str, Attestor]) -> None:
        """Serve with `attestors`, by name."""
        self._database = database
        self._attestors = attestors
        self._decoder = msgspec.json.Decoder(_Evidence)
        self._appraised: LRUCache[tuple[bytes, Origin], Appraisal] = LRUCache(_REMEMBERED)
        self._sessions: LRUCache[str, _SeenSession] = LRUCache(_REMEMBERED)

    async def join(self, attestor: str, evidence: bytes, jkt: str, now_ms: int) -> Session:
        """Let a sidecar join: its evidence is used up and its key bound, in one transaction with the audit record.

        Args:
            attestor: the kind of evidence.
            evidence: JSON, as that attestor reads it.
            jkt: the thumbprint of the key that proved possession with this very request.
            now_ms: milliseconds since the epoch.

        Raises:
            EvidenceRefusedError: the evidence is not accepted; nothing has changed.
            UnauthenticatedError: the sidecar is suspended or revoked; nothing has changed.
        """
        now = now_ms // 1000
        appraisal = await self._attestor(attestor).appraise(evidence, AppraisalContext(now, Origin.NODE))
        digest = appraisal.use_once
        if digest is None:
            raise EvidenceRefusedError(f"{attestor} evidence names no sidecar", hint="join with a join token")

        async def work(tx: Transaction) -> Session:
            sidecar = check_join(await store.find_join_token(tx, digest), jkt, now)
            bound = await store.find_sidecar(tx, jkt)
            if bound is not None and bound.id != sidecar.id:
                raise EvidenceRefusedError(
                    f"this key is sidecar {bound.name}'s", hint="give each sidecar a state folder of its own"
                )
            if not await store.use_join_token(tx, digest, now):
                raise EvidenceRefusedError("the join token was used before", code="evidence_replayed")
            await store.bind_key(tx, sidecar.id, jkt, now)
            return await _open_session(tx, sidecar, "sidecar.join", jkt, now_ms)

        return await self._database.transaction(work)

    async def renew(self, jkt: str, now_ms: int) -> Session:
        """Open a new session for the sidecar that joined with this key; the caller has verified a proof by it.

        Args:
            jkt: the thumbprint of the key.
            now_ms: milliseconds since the epoch.

        Raises:
            UnauthenticatedError: no sidecar joined with it, or it is suspended or revoked.
        """

        async def work(tx: Transaction) -> Session:
            sidecar = await store.find_sidecar(tx, jkt)
            if sidecar is None:
                raise UnauthenticatedError(
                    "no sidecar has joined with this key", code="session_invalid", hint="join with a join token"
                )
            sidecar.admitted()
            return await _open_session(tx, sidecar, "sidecar.session", jkt, now_ms)

        return await self._database.transaction(work)

    async def authenticate(self, secret: str, jkt: str, now: int) -> ActiveSidecar:
        """The sidecar that a session speaks for; the caller has verified a proof by the key `jkt` over it.

        A sidecar that was stopped is noticed after a second at the latest; what is issued to it reads its state anew.

        Raises:
            UnauthenticatedError: code `session_invalid`.
        """
        digest = bearer.digest(secret)
        seen = self._sessions.get(digest)
        if seen is not None and now <= seen.until:
            return check_session(seen.session, jkt, now)
        session = await self._database.read(lambda tx: store.find_session(tx, digest))
        sidecar = check_session(session, jkt, now)
        if session is not None:
            self._sessions[digest] = _SeenSession(session, now + _SESSION_SECONDS)
        return sidecar

    def forget_sessions(self) -> None:
        """Look every session up again: some may have ended."""
        self._sessions.clear()

    async def appraise(self, evidence: bytes, origin: Origin, now: int) -> Appraisal:
        """Judge the evidence of a workload: one JSON object whose `attestor` says which attestor judges it.

        When the result has `use_once`, call `use_up` in the transaction that records what the evidence is used for.

        Raises:
            EvidenceRefusedError: it is not accepted.
        """
        known = self._appraised.get((evidence, origin))
        if known is not None:
            return known
        if len(evidence) > _MAX_EVIDENCE_BYTES:
            raise EvidenceRefusedError(f"the evidence is larger than {_MAX_EVIDENCE_BYTES} bytes")
        try:
            name = self._decoder.decode(evidence).attestor
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # bytes that nobody has read so far
            raise EvidenceRefusedError("the evidence is not an object with an attestor") from error
        attestor = self._attestor(name)
        appraisal = await attestor.appraise(evidence, AppraisalContext(now, origin))
        if attestor.repeatable and len(evidence) <= _REMEMBERED_BYTES:
            self._appraised[evidence, origin] = appraisal
        return appraisal

    def _attestor(self, name: str) -> Attestor:
        attestor = self._attestors.get(name)
        if attestor is None:
            raise EvidenceRefusedError(
                "no attestor of that name is installed", hint=f"installed: {', '.join(sorted(self._attestors))}"
            )
        return attestor


async def use_up(tx: Transaction, appraisal: Appraisal, now: int) -> None:
    """Record as part of `tx` that evidence was used; does nothing for evidence that may be shown again.

    Raises:
        EvidenceRefusedError: code `evidence_replayed`: it was used before.
    """
    if appraisal.use_once is None or appraisal.use_once_until is None:
        return
    if not await store.use_evidence(tx, appraisal.use_once, appraisal.use_once_until, now):
        raise EvidenceRefusedError("the evidence was used before", code="evidence_replayed", hint="get a fresh token")


async def _open_session(tx: Transaction, sidecar: SidecarRecord, kind: str, jkt: str, now_ms: int) -> Session:
    now = now_ms // 1000
    session = Session(sidecar.name, bearer.draw(SESSION_PREFIX), now + SESSION_SECONDS)
    await store.open_session(tx, bearer.digest(session.secret), sidecar.id, now, session.expires_at)
    record = AuditRecord(
        at_ms=now_ms,
        kind=kind,
        outcome=Outcome.ALLOWED,
        actor=f"sidecar:{sidecar.name}",
        detail={"jkt": jkt, "expires_at": session.expires_at},
    )
    await append(tx, record)
    return session
