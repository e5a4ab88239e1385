"""Keys that the sidecar makes and holds for agents: one in use for each agent. They never leave it; it signs proofs with them.

    on need   the issuer binds a token to the agent's key and none is registered, or not the one that is held here: a key is made,
              written down, and registered with a proof of possession; only then are tokens asked for again
    rotated   when the agent asks for it; the former key signs on for the tokens that are bound to it
    proof     for a token that this sidecar gave to a process of the very same evidence, and for nothing else

A key that was written down and whose registration was not answered is tried again, so that neither side is left with half of it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import msgspec
import structlog
from msgspec import Struct

from remit.agent_key import AgentKey
from remit.errors import RefusedError, UnavailableError
from sidecar.cache import Answer
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.identity import Identities
from sidecar.issue import TokenRequest
from sidecar.key_ring import KeyRing
from sidecar.lanes import Lanes
from sidecar.tokens import Tokens, boottime

_log = structlog.get_logger(__name__)

PATH: Final = "/v1/keys"
"""The issuer's route; proofs of possession name it."""

_MOST_GIVEN: Final = 16_384
_NO_KEY: Final = "no_agent_key"
_STALE_NONCE: Final = "key_nonce_stale"
_TAKEN: Final = "conflict"


class KeyIssuer(Struct, frozen=True):
    """What is needed of the issuer.

    Attributes:
        url: the issuer's URL.
        post: sends a body to `PATH`, and returns the answer's body.
        nonce: the nonce that it gave last, or None.
    """

    url: str
    post: Callable[[bytes], Awaitable[bytes]]
    nonce: Callable[[], str | None]


class ProofRequest(Struct, frozen=True):
    """What a workload wants a proof for.

    Attributes:
        method: the request's HTTP method.
        url: its URL.
        token: the token that goes with it.
        nonce: the nonce that the provider gave, or None.
    """

    method: str
    url: str
    token: str
    nonce: str | None = None


class HeldKey(Struct, frozen=True):
    """A key that the sidecar holds for an agent, its public half.

    Attributes:
        agent: the agent's name.
        jkt: its thumbprint (RFC 7638).
        jwk: the key.
    """

    agent: str
    jkt: str
    jwk: dict[str, str]


class _Registration(Struct, frozen=True, omit_defaults=True):
    evidence: msgspec.Raw
    agent: str
    jwk: dict[str, str]
    proof: str
    held_by: str


class _Given(Struct, frozen=True):
    jkt: str
    expires_at: float


class AgentKeys:
    """The keys of the agents beside this sidecar."""

    def __init__(
        self,
        issuer: KeyIssuer,
        tokens: Tokens,
        identities: Identities,
        lanes: Lanes,
        ring: KeyRing,
    ) -> None:
        """Hold keys in `ring`, and sign in `lanes`, each user's in its own."""
        self._issuer = issuer
        self._tokens = tokens
        self._identities = identities
        self._lanes = lanes
        self._ring = ring
        self._registered_at: dict[str, float] = {}
        self._given: OrderedDict[tuple[bytes, str], _Given] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._ring)

    async def fetch(self, evidence: Evidence, request: TokenRequest) -> Answer:
        """As `Tokens.fetch`; the agent's key is made and registered where the token has to be bound to it."""
        asked_at = boottime()
        try:
            answer = await self._tokens.fetch(evidence, request)
        except IssuerRefusedError as error:
            if error.code != _NO_KEY:
                raise
        else:
            if not self._is_lost(answer):
                return answer
        agent = await self._agent(evidence, request.agent or evidence.agent)
        await self._register(evidence, agent, unless_since=asked_at)
        return await self._tokens.fetch(evidence, request)

    def give(self, evidence: Evidence, answer: Answer) -> None:
        """Take note that a workload gets the first token of `answer`: proofs are made for it from now on."""
        if answer.jkt is None:
            return
        key = evidence.digest, answer.tokens[0].token
        self._given[key] = _Given(answer.jkt, answer.expires_at)
        self._given.move_to_end(key)
        if len(self._given) > _MOST_GIVEN:
            self._given.popitem(last=False)

    async def prove(self, evidence: Evidence, wanted: ProofRequest) -> str:
        """A DPoP proof (RFC 9449) for one request.

        Raises:
            RefusedError: this sidecar did not give that token to the workload, or it has ended (`token_not_given`); the agent
                itself holds the key (`key_not_held`).
            OverloadedError: the workload's user asks for too much at once.
        """
        given = self._given.get((evidence.digest, wanted.token))
        if given is None or boottime() >= given.expires_at:
            raise RefusedError(
                "this sidecar did not give that token to this process, or it has ended",
                code="token_not_given",
                hint="get a new token",
            )
        key = self._ring.find(given.jkt)
        if key is None:
            raise RefusedError(
                "the key of that token is not held here", code="key_not_held", hint="sign with the agent's own key"
            )
        sign = partial(key.proof, wanted.method, wanted.url, now=_now(), access_token=wanted.token, nonce=wanted.nonce)
        return await self._lanes.run(evidence.uid, sign)

    async def rotate(self, evidence: Evidence, agent: str | None) -> HeldKey:
        """Make a key for the workload's agent, and register it in place of the one before; raises as `fetch`."""
        name = await self._agent(evidence, agent)
        await self._register(evidence, name, anew=True)
        (held,) = self._held([name])
        return held

    async def register_own(self, evidence: Evidence, agent: str | None, jwk: dict[str, str], proof: str) -> None:
        """Register a key that the agent itself holds, in place of all others of the agent; raises as `fetch`."""
        name = await self._agent(evidence, agent)
        await self._issuer.post(_encode(_Registration(evidence.encoded, name, jwk, proof, "agent")))
        self._tokens.drop_bound(name)

    async def held(self, evidence: Evidence) -> list[HeldKey]:
        """The keys in use of the agents that the workload is; raises as `Identities.of`."""
        return self._held((await self._identities.of(evidence)).agents)

    async def nonce(self, evidence: Evidence) -> str:
        """The issuer's nonce, for the proof of possession of a key that the agent holds; raises as `Identities.of`."""
        await self._identities.of(evidence)  # nobody else has a use for it; and its answer carries a fresh one
        nonce = self._issuer.nonce()
        if nonce is None:
            raise UnavailableError("the issuer gave no nonce", code="issuer_unavailable")
        return nonce

    @property
    def registration_url(self) -> str:
        """The URL that a proof of possession names."""
        return self._issuer.url + PATH

    def _held(self, agents: Iterable[str]) -> list[HeldKey]:
        found = [(agent, key) for agent in agents if (key := self._ring.active(agent)) is not None]
        return [HeldKey(agent, key.thumbprint, key.jwk) for agent, key in found]

    def _is_lost(self, answer: Answer) -> bool:
        """Whether the token is bound to a key that the issuer takes for one held here, and that is not."""
        return answer.tokens[0].key_held_by == "sidecar" and self._ring.find(answer.jkt) is None

    async def _agent(self, evidence: Evidence, named: str | None) -> str:
        """The agent whose key is meant: the one that was named, if the workload is that one; else its only one.

        Raises:
            IssuerRefusedError: it is none, not that one (`no_entry`), or several (`ambiguous_agent`).
        """
        agents = (await self._identities.of(evidence)).agents
        if named is None and len(agents) > 1:
            hint = f"name one of {', '.join(agents[:5])}"
            raise IssuerRefusedError("the workload is several agents", code="ambiguous_agent", status=403, hint=hint)
        agent = named or agents[0]
        if agent not in agents:
            raise IssuerRefusedError("this workload is not that agent", code="no_entry", status=403)
        return agent

    async def _register(
        self, evidence: Evidence, agent: str, *, unless_since: float | None = None, anew: bool = False
    ) -> None:
        """Register a key for the agent, unless that happened since a time; `anew`: not the one that is in use."""
        async with self._locks.setdefault(agent, asyncio.Lock()):
            if unless_since is not None and self._registered_at.get(agent, -1.0) >= unless_since:
                return
            try:
                await self._try(evidence, agent, self._ring.candidate(agent, anew=anew))
            except IssuerRefusedError as error:
                if error.code != _TAKEN:
                    raise
                # It was replaced or revoked while this sidecar did not know: another one.
                await self._try(evidence, agent, AgentKey.generate())
            self._registered_at[agent] = boottime()
        self._tokens.drop_bound(agent)

    async def _try(self, evidence: Evidence, agent: str, key: AgentKey) -> None:
        await self._ring.begin(agent, key)
        try:
            await self._post(evidence, agent, key)
        except IssuerRefusedError:
            await self._ring.settle(agent, registered=False)
            raise
        await self._ring.settle(agent, registered=True)
        _log.info("key registered", agent=agent, jkt=key.thumbprint)

    async def _post(self, evidence: Evidence, agent: str, key: AgentKey) -> None:
        """Ask the issuer to register a key; once more with its fresh nonce when the last one was old."""
        try:
            await self._issuer.post(self._registration(evidence, agent, key))
        except IssuerRefusedError as error:
            if error.code != _STALE_NONCE:
                raise
            await self._issuer.post(self._registration(evidence, agent, key))

    def _registration(self, evidence: Evidence, agent: str, key: AgentKey) -> bytes:
        proof = key.proof("POST", self.registration_url, now=_now(), nonce=self._issuer.nonce())
        return _encode(_Registration(evidence.encoded, agent, key.jwk, proof, "sidecar"))


def _encode(registration: _Registration) -> bytes:
    return msgspec.json.encode(registration)


def _now() -> int:
    return int(time.time())
