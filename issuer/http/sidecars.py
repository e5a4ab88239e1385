"""Sidecars at the door: each request is proved by the key that the sidecar joined with, and covered by that proof whole.

The proof (`DPoP` header, RFC 9449) names method, path (`htu` is our public URL and the path), body (`bsh`), session (`ath`)
and our nonce. Every answer to a request that was to be proved carries the nonce for the next one.
"""

from typing import Final

from aiohttp import web

from issuer.attestation import ActiveSidecar
from issuer.errors import UnauthenticatedError
from issuer.http.middleware import PRINCIPAL, Principal
from issuer.services import Services
from remit.dpop import Proof
from remit.errors import ProofRefusedError

_SCHEME: Final = "dpop"
_NONCE: Final = web.RequestKey("dpop_nonce", str)


class SidecarGate:
    """Lets sidecars in."""

    def __init__(self, services: Services) -> None:
        """Know sidecars by what `services` has registered."""
        self._services = services

    async def admit(self, request: web.Request, body: bytes) -> ActiveSidecar:
        """Return the sidecar who asks, by its session and the proof of its key.

        Args:
            request: the request.
            body: its body, read whole; the proof has to cover it.

        Raises:
            ProofRefusedError: the proof is missing, wrong, or needs a fresh nonce.
            UnauthenticatedError: code `session_invalid`: no session, or not one of this key's sidecar.
        """
        now = self._services.now()
        request[_NONCE] = self._services.proofs.nonce(now)
        session = _session(request)
        proof = self._verify(request, body, session, now)
        sidecar = await self._services.attestation.authenticate(session, proof.jkt, now)
        request[PRINCIPAL] = Principal(sidecar.actor)
        return sidecar

    def prove(self, request: web.Request, body: bytes | None) -> Proof:
        """Return the proof of a request that comes without a session; without `body` it need not cover that.

        Raises:
            ProofRefusedError: as `admit`.
        """
        now = self._services.now()
        request[_NONCE] = self._services.proofs.nonce(now)
        return self._verify(request, body, None, now)

    def invite(self, request: web.Request) -> None:
        """Let the answer to `request` carry a nonce."""
        request[_NONCE] = self._services.proofs.nonce(self._services.now())

    def _verify(self, request: web.Request, body: bytes | None, session: str | None, now: int) -> Proof:
        proofs = request.headers.getall("DPoP", [])
        if len(proofs) != 1:
            raise ProofRefusedError(
                "there is not exactly one DPoP header", code="proof_invalid", hint="prove each request (RFC 9449)"
            )
        return self._services.proofs.verify(
            proofs[0],
            method=request.method,
            path=request.path,
            body=body,
            now=now,
            session=session,
        )


async def send_nonce(request: web.Request, response: web.StreamResponse) -> None:
    """Add the next nonce to the answer, also to a refusal; for the application's `on_response_prepare`."""
    nonce = request.get(_NONCE)
    if nonce is not None:
        response.headers["DPoP-Nonce"] = nonce


def _session(request: web.Request) -> str:
    headers = request.headers.getall("Authorization", [])
    scheme, _, session = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != _SCHEME or not session or not session.isascii():
        raise UnauthenticatedError(
            "no session",
            code="session_invalid",
            hint="open one at /v1/attest/session, and send `Authorization: DPoP …`",
        )
    return session
