"""What an agent's client says to the sidecar about keys: registering one of its own, and asking for proofs by the one held for it."""

from collections.abc import Callable

import msgspec

from remit.agent_key import AgentKey
from remit.agent_tokens import AgentToken, not_understood
from remit.errors import InvalidInputError, ProofRefusedError, RefusedError
from remit.jose import parse_unverified

Exchange = Callable[[str, str, object], object]
"""Sends method, path and body to the sidecar, and returns its answer; raises as `remit.sidecar_socket.exchange`."""


class _NonceWire(msgspec.Struct, frozen=True):
    nonce: str
    url: str


class _ProofWire(msgspec.Struct, frozen=True):
    proof: str


class _Confirmation(msgspec.Struct, frozen=True):
    jkt: str


class _BoundClaims(msgspec.Struct, frozen=True):
    cnf: _Confirmation


def register(exchange: Exchange, key: AgentKey, agent: str | None, now: int) -> None:
    """Register `key` as the agent's, with a proof of possession; once more when the issuer's nonce was old.

    Raises:
        RefusedError: the process is not that agent, or the key is registered for somebody else, or was replaced.
        UnavailableError: no answer, or none that makes sense.
    """
    try:
        _register_once(exchange, key, agent, now)
    except RefusedError as error:
        if error.code != "key_nonce_stale":
            raise
        _register_once(exchange, key, agent, now)


def proof_by_sidecar(exchange: Exchange, method: str, url: str, token: AgentToken, nonce: str | None) -> str:
    """A proof for one request by the key that the sidecar holds; raises as `register`."""
    body = {"method": method, "url": url, "token": token.token} | ({} if nonce is None else {"nonce": nonce})
    try:
        return msgspec.convert(exchange("POST", "/v1/proof", body), _ProofWire).proof
    except msgspec.ValidationError as error:
        raise not_understood(error) from None


def require_bound_to(token: AgentToken, key: AgentKey) -> None:
    """Return when `token` is bound to `key`; raises `ProofRefusedError` (`key_mismatch`)."""
    try:
        bound = msgspec.json.decode(parse_unverified(token.token).payload_bytes, type=_BoundClaims).cnf.jkt
    except (InvalidInputError, msgspec.MsgspecError):
        bound = None
    if bound != key.thumbprint:
        raise ProofRefusedError(
            "the token is not bound to this key",
            code="key_mismatch",
            hint="another key was registered since: call register_key(), and get a new token",
        )


def _register_once(exchange: Exchange, key: AgentKey, agent: str | None, now: int) -> None:
    try:
        wire = msgspec.convert(exchange("GET", "/v1/key/nonce", None), _NonceWire)
    except msgspec.ValidationError as error:
        raise not_understood(error) from None
    proof = key.proof("POST", wire.url, now=now, nonce=wire.nonce)
    body = {"jwk": key.jwk, "proof": proof} | ({} if agent is None else {"agent": agent})
    exchange("POST", "/v1/key", body)
