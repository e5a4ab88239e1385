"""The part of `remit.sock` that is about agents' keys.

POST /v1/key        make a key for the caller's agent, in place of the one before; or, with `jwk` and `proof`, register its own
GET  /v1/key        the keys that are held for the caller's agents
GET  /v1/key/nonce  what the proof of possession of a key of its own has to carry
POST /v1/proof      a proof for one request, by the key that the token is bound to
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from remit.errors import InvalidInputError
from sidecar.agent_keys import AgentKeys, ProofRequest
from sidecar.evidence import Evidence
from sidecar.http_bodies import decode

KeyOperation = Callable[[AgentKeys, Evidence, bytes], Awaitable[object]]
"""Answers one request: who holds the keys, the caller's evidence, the body; returns what is sent as JSON."""


class _KeyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/key`; an agent's own key comes with its proof of possession."""

    agent: Annotated[str, Meta(max_length=2048)] | None = None
    jwk: Annotated[dict[str, str], Meta(max_length=16)] | None = None
    proof: Annotated[str, Meta(max_length=8192)] | None = None


class _ProofBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/proof`."""

    method: Annotated[str, Meta(pattern=r"\A[A-Z]{1,32}\Z")]
    url: Annotated[str, Meta(pattern=r"\Ahttps?://[!-~]{1,2048}\Z")]
    token: Annotated[str, Meta(min_length=1, max_length=8192)]
    nonce: Annotated[str, Meta(pattern=r"\A[!-~]{1,1024}\Z")] | None = None


_KEY_REQUEST: Final = msgspec.json.Decoder(_KeyRequest)
_PROOF_BODY: Final = msgspec.json.Decoder(_ProofBody)


async def register(keys: AgentKeys, evidence: Evidence, body: bytes) -> object:
    """`POST /v1/key`."""
    wanted = decode(_KEY_REQUEST, body)
    if wanted.jwk is None and wanted.proof is None:
        return await keys.rotate(evidence, wanted.agent)
    if wanted.jwk is None or wanted.proof is None:
        raise InvalidInputError("a key of the agent's own has jwk and proof", code="malformed_request")
    await keys.register_own(evidence, wanted.agent, wanted.jwk, wanted.proof)
    return {}


async def show(keys: AgentKeys, evidence: Evidence, _body: bytes) -> object:
    """`GET /v1/key`."""
    return {"keys": await keys.held(evidence)}


async def nonce(keys: AgentKeys, evidence: Evidence, _body: bytes) -> object:
    """`GET /v1/key/nonce`."""
    return {"nonce": await keys.nonce(evidence), "url": keys.registration_url}


async def prove(keys: AgentKeys, evidence: Evidence, body: bytes) -> object:
    """`POST /v1/proof`."""
    wanted = decode(_PROOF_BODY, body)
    return {"proof": await keys.prove(evidence, ProofRequest(wanted.method, wanted.url, wanted.token, wanted.nonce))}


ROUTES: Final[tuple[tuple[str, str, KeyOperation], ...]] = (
    ("POST", "/v1/key", register),
    ("GET", "/v1/key", show),
    ("GET", "/v1/key/nonce", nonce),
    ("POST", "/v1/proof", prove),
)
"""Method, path and what answers."""
