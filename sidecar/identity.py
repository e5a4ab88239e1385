"""`/v1/attest/workload`: which agents a workload is entitled to be, without asking for a token."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from remit.errors import RemitError, UnavailableError
from sidecar.batching import MAX_BATCH
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import refusal_of
from sidecar.state import Membership
from sidecar.upstream import Problem


class Identity(Struct, frozen=True):
    """What a workload is entitled to.

    Attributes:
        agents: their names, the most specific entry's first; never empty.
        trust_domain: theirs.
        issuer: the issuer's URL.
    """

    agents: tuple[str, ...]
    trust_domain: str
    issuer: str


class _Workload(Struct, frozen=True, omit_defaults=True):
    evidence: msgspec.Raw
    agent: str | None = None


class _Agent(Struct, frozen=True):
    agent: str


class _Result(Struct, frozen=True):
    agents: tuple[_Agent, ...] | None = None
    problem: Problem | None = None


class _Answer(Struct, frozen=True):
    results: tuple[_Result, ...]


class Identities:
    """Asks the issuer, once for all who ask the same at the same time. Nothing is kept."""

    def __init__(self, post: Callable[[bytes], Awaitable[bytes]], membership: Callable[[], Membership | None]) -> None:
        """`post` sends the body to `/v1/attest/workload`; `membership` says what the sidecar is enrolled as."""
        self._post = post
        self._membership = membership
        self._flights: dict[bytes, asyncio.Task[Identity]] = {}

    async def of(self, evidence: Evidence) -> Identity:
        """The agents of a workload.

        Raises:
            IssuerRefusedError: none.
            UnavailableError: the issuer does not answer.
        """
        flight = self._flights.get(evidence.digest)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._ask(evidence))
            self._flights[evidence.digest] = flight
            flight.add_done_callback(lambda _: self._flights.pop(evidence.digest))
        return await asyncio.shield(flight)

    async def of_all(self, workloads: Iterable[Evidence]) -> dict[bytes, Identity | RemitError]:
        """The agents of each workload, or why there are none, by the digest of its evidence; in as few requests as that takes.

        Raises:
            UnavailableError: the issuer does not answer.
        """
        wanted = list({evidence.digest: evidence for evidence in workloads}.values())
        found: dict[bytes, Identity | RemitError] = {}
        for start in range(0, len(wanted), MAX_BATCH):
            batch = wanted[start : start + MAX_BATCH]
            outcomes = await self._exchange(batch)
            found.update(zip((evidence.digest for evidence in batch), outcomes, strict=True))
        return found

    async def _ask(self, evidence: Evidence) -> Identity:
        (outcome,) = await self._exchange([evidence])
        if isinstance(outcome, RemitError):
            raise outcome
        return outcome

    async def _exchange(self, batch: Sequence[Evidence]) -> list[Identity | RemitError]:
        workloads = [_Workload(evidence.encoded, evidence.agent) for evidence in batch]
        answer = await self._post(msgspec.json.encode({"workloads": workloads}))
        try:
            results = msgspec.json.decode(answer, type=_Answer).results
        except msgspec.MsgspecError as error:
            raise UnavailableError("the issuer's answer does not parse", code="issuer_unavailable") from error
        if len(results) != len(batch):
            raise UnavailableError("the issuer's answer is not one for each workload", code="issuer_unavailable")
        return [self._outcome(result) for result in results]

    def _outcome(self, result: _Result) -> Identity | RemitError:
        membership = self._membership()
        if result.problem is not None:
            return refusal_of(result.problem)
        if not result.agents or membership is None:
            return IssuerRefusedError("no entry matches this workload", code="no_entry", status=403)
        return Identity(tuple(found.agent for found in result.agents), membership.trust_domain, membership.issuer)
