"""The door to issuance: decide, open what is missing, sign, record, release; for everything that is asked at the same time.

The order, and what a crash between two steps leaves:

1. *Decide* on one snapshot: entries that match, the chain of authority, the grant, the narrowed scope. Nothing is written. What was
   decided before is remembered: step 3 would notice that it does not hold any more.
2. *Open*, in a transaction of its own, a grant for a task that comes for the first time, or a fresh status index. After a crash
   it is there without a token; the next request finds it. An index is bound to its grant before any token names it.
3. *Record*, in one transaction that re-reads what each decision rests on; what changed meanwhile voids it, and it is decided
   anew. After a crash either nothing is there, and nobody has the token, or the record is.
4. *Sign*, while the writer records: neither needs the other. A token that was signed and not recorded never leaves the process.
5. *Release*, once the record is durable. After a crash here the record is of a token that nobody got: harmless.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from msgspec import Struct
from prometheus_client import Counter

from attestors.errors import EvidenceRefusedError
from issuer.audit.pacing import Paces
from issuer.errors import AuthorityChangedError
from issuer.issuance.batching import Batcher
from issuer.issuance.claims import ClaimsWriter
from issuer.issuance.deciding import Verdict, decide_all
from issuer.issuance.decision import Terms, date
from issuer.issuance.memory import DecisionMemory
from issuer.issuance.model import Basis, Decision, IssuanceRequest, IssuedCredential, Opening
from issuer.issuance.opening import TaskTerms, open_all
from issuer.issuance.recording import Fate, Refusal, record
from issuer.issuance.signing import Draft, draft_all, sign_all
from issuer.keys import KeyService, Purpose, Signer
from issuer.storage import Database
from remit.errors import RemitError

_ROUNDS = 4
"""How often a request is decided on when what it rests on keeps changing, or something must be opened first."""

_BATCH = 512
"""Most requests that are decided on and recorded together."""

_issued = Counter("remit_credentials_issued_total", "Credentials that were recorded and released")
_refused = Counter("remit_issuances_refused_total", "Requests for credentials that were refused, by code", ["code"])


class IssuancePolicy(Struct, frozen=True):
    """How long what is issued lives.

    Attributes:
        ttl_seconds: the longest life of an agent token.
        task_ttl_seconds: the life of a grant that is opened for a task.
        max_open_tasks: most grants of one agent's tasks that are open at the same time.
    """

    ttl_seconds: int
    task_ttl_seconds: int
    max_open_tasks: int


Outcome = Sequence[IssuedCredential] | RemitError
"""What became of one request: its credentials, at least one, or why there are none."""


@dataclass(slots=True, eq=False)
class _Pending:
    """A request on its way."""

    request: IssuanceRequest
    outcome: Outcome | None = None
    recalled: bool = False


class IssuanceService:
    """Issues the agent tokens of one issuer."""

    def __init__(
        self,
        database: Database,
        keys: KeyService,
        claims: ClaimsWriter,
        policy: IssuancePolicy,
        clock_ms: Callable[[], int],
    ) -> None:
        """Issue by what `database` says.

        Args:
            database: the registry, and where issuances are recorded.
            keys: what signs.
            claims: what writes the claims.
            policy: lifetimes.
            clock_ms: milliseconds since the epoch.
        """
        self._database = database
        self._keys = keys
        self._claims = claims
        self._policy = policy
        self._clock_ms = clock_ms
        self._memory = DecisionMemory()
        self._paces = Paces()
        self._batcher: Batcher[IssuanceRequest, Outcome] = Batcher(self._issue, most=_BATCH)

    async def issue(self, requests: Sequence[IssuanceRequest]) -> Sequence[Outcome]:
        """Issue for each request, in their order; what is returned is recorded durably.

        Returns:
            For each request its credentials, or the error that says why there are none: `NotEntitledError`,
            `ScopeRefusedError` (`scope_too_wide`, `scope_too_large`), `AuthorityChangedError`, `UnauthenticatedError` (an inactive sidecar),
            `EvidenceRefusedError` (`evidence_replayed`, `evidence_expired`).

        Raises:
            StorageError: the database failed; nothing was issued.
        """
        return await self._batcher.submit(requests)

    async def _issue(self, requests: Sequence[IssuanceRequest]) -> list[Outcome]:
        items = [_Pending(request) for request in requests]
        for _ in range(_ROUNDS):
            waiting = [item for item in items if item.outcome is None]
            if not waiting:
                break
            await self._round(waiting)
        else:
            await self._give_up([item for item in items if item.outcome is None])
        return [item.outcome for item in items if item.outcome is not None]

    async def _round(self, items: Sequence[_Pending]) -> None:
        """Bring each item as far as one snapshot allows: something opened for it, or its outcome."""
        now_ms = self._clock_ms()
        now = now_ms // 1000
        verdicts = await self._verdicts(items, now)
        await self._open(verdicts, now_ms)
        signer = self._keys.signer(Purpose.TOKEN, now=now)
        terms = Terms(now, self._policy.ttl_seconds, signer.key.retires_at, self._claims.reference)
        ready: list[tuple[_Pending, Sequence[Decision]]] = []
        refused: list[tuple[_Pending, RemitError]] = []
        for item, verdict in zip(items, verdicts, strict=True):
            try:
                decisions = [self._claims.fitting(date(item.request, basis, terms)) for basis in _bases(verdict)]
            except RemitError as error:
                refused.append((item, error))
                continue
            if decisions:
                ready.append((item, decisions))
        drafts = iter(draft_all([one for _, decisions in ready for one in decisions], now_ms))
        await self._record(
            signer, [(item, list(islice(drafts, len(decisions)))) for item, decisions in ready], refused, now_ms
        )

    async def _verdicts(self, items: Sequence[_Pending], now: int) -> list[Verdict]:
        """What was decided before, and for the rest one read."""
        known = [self._memory.recall(item.request, now) for item in items]
        most = self._policy.max_open_tasks
        new = [item.request for item, basis in zip(items, known, strict=True) if basis is None]
        decided = iter(
            await self._database.read(lambda tx: decide_all(tx, new, now, max_open_tasks=most)) if new else ()
        )
        for item, basis in zip(items, known, strict=True):
            item.recalled = basis is not None
        return [next(decided) if basis is None else (basis,) for basis in known]

    async def _open(self, verdicts: Sequence[Verdict], now_ms: int) -> None:
        steps = [step for verdict in verdicts if not isinstance(verdict, RemitError) for step in verdict]
        openings = [step for step in steps if isinstance(step, Opening)]
        if openings:
            terms = TaskTerms(now_ms, self._policy.task_ttl_seconds, self._policy.max_open_tasks)
            await self._database.transaction(lambda tx: open_all(tx, openings, terms))

    async def _record(
        self,
        signer: Signer,
        ready: Sequence[tuple[_Pending, Sequence[Draft]]],
        refused: Sequence[tuple[_Pending, RemitError]],
        now_ms: int,
    ) -> None:
        """Record and sign tokens, record refusals; each item that was recorded has its outcome when this returns."""
        if not ready and not refused:
            return
        drafts = [drafted for _, drafted in ready]
        refusals = [self._refusal(item, error) for item, error in refused if self._logs(item.request, error, now_ms)]
        tokens, fates = await self._sign_and_record(signer, drafts, refusals, now_ms)
        for item, error in refused:
            item.outcome = error
            _refused.labels(error.code).inc()
        _issued.inc(sum(len(drafted) for drafted, fate in zip(drafts, fates, strict=True) if fate is Fate.RECORDED))
        replayed: list[tuple[_Pending, RemitError]] = []
        for (item, drafted), signed, fate in zip(ready, tokens, fates, strict=True):
            if fate is Fate.RECORDED:
                self._release(item, drafted, signed)
            elif fate is Fate.REPLAYED:
                replayed.append((item, _replayed()))
            else:
                self._memory.forget(item.request)
        await self._record(signer, [], replayed, now_ms)

    async def _sign_and_record(
        self, signer: Signer, drafts: Sequence[Sequence[Draft]], refusals: Sequence[Refusal], now_ms: int
    ) -> tuple[list[list[str]], list[Fate]]:
        """The tokens of each request, and whether they may leave. The signatures are made while the writer records."""
        if not drafts and not refusals:
            return [], []
        recording = asyncio.create_task(
            self._database.transaction(lambda tx: record(tx, drafts, refusals, kid=signer.key.kid, now_ms=now_ms))
        )
        await asyncio.sleep(0)  # the task runs: now the writer has its work
        signed = iter(sign_all([draft for request in drafts for draft in request], signer, self._claims))
        return [list(islice(signed, len(request))) for request in drafts], await recording

    def _refusal(self, item: _Pending, error: RemitError) -> Refusal:
        request = item.request
        if request.person is None:
            return Refusal(request, error)
        return Refusal(request, error, self._claims.reference(request.person.digest, request.audience))

    def _logs(self, request: IssuanceRequest, error: RemitError, now_ms: int) -> bool:
        """Whether a refusal is recorded: always of what a sidecar asks; of others at a pace, for whoever has evidence may ask."""
        caller = request.caller
        source = f"{caller.actor} {request.appraisal.provider}" if request.delegation is None else "agents"
        return caller.sidecar_id is not None or self._paces.admits(error.code, source, now_ms)

    async def _give_up(self, items: Sequence[_Pending]) -> None:
        """Refuse what could not be recorded, because each time something had changed since it was decided."""
        now_ms = self._clock_ms()
        error = AuthorityChangedError("what the credential rests on keeps changing", hint="ask again")
        await self._record(
            self._keys.signer(Purpose.TOKEN, now=now_ms // 1000), [], [(item, error) for item in items], now_ms
        )

    def _release(self, item: _Pending, drafts: Sequence[Draft], tokens: Sequence[str]) -> None:
        """Let recorded tokens leave."""
        if len(drafts) == 1 and not item.recalled:
            self._memory.keep(item.request, drafts[0].decision.basis)
        item.outcome = [self._credential(draft.decision, token) for draft, token in zip(drafts, tokens, strict=True)]

    def _credential(self, decision: Decision, token: str) -> IssuedCredential:
        basis = decision.basis
        return IssuedCredential(
            agent=basis.agent,
            spiffe_id=self._claims.spiffe_id(basis.agent),
            token=token,
            issued_at=decision.issued_at,
            expires_at=decision.expires_at,
            grant=basis.grant.id,
            task=basis.grant.task,
            scope=basis.scope,
            key=basis.key,
        )


def _bases(verdict: Verdict) -> list[Basis]:
    """What credentials may be issued on; none as long as something must be opened first. Raises the refusal."""
    if isinstance(verdict, RemitError):
        raise verdict
    bases = [step for step in verdict if isinstance(step, Basis)]
    return bases if len(bases) == len(verdict) else []


def _replayed() -> RemitError:
    return EvidenceRefusedError("the evidence was used before", code="evidence_replayed", hint="get a fresh token")
