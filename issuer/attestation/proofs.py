"""Proofs of possession that sidecars and agents send: each carries our nonce, covers its request, and is used once."""

from remit.dpop import Proof, verify_proof
from remit.errors import ProofRefusedError
from remit.nonces import ProofNonces
from remit.replay import ReplayCache


class ProofGate:
    """Verifies the proofs that come to one issuer."""

    def __init__(self, public_url: str, nonces: ProofNonces, used: ReplayCache, leeway_seconds: int) -> None:
        """Compare `htu` with `public_url`, never with what a request says of its host."""
        self._public_url = public_url
        self._nonces = nonces
        self._used = used
        self._leeway_seconds = leeway_seconds

    def nonce(self, now: int) -> str:
        """What to send in `DPoP-Nonce`."""
        return self._nonces.current(now)

    def verify(
        self, proof: str, *, method: str, path: str, body: bytes | None, now: int, session: str | None = None
    ) -> Proof:
        """Verify the proof of one request, and use it up.

        Args:
            proof: the only `DPoP` header.
            method: the request's method.
            path: the request's path.
            body: the request's body, whole; None: the proof need not cover it.
            now: unix seconds.
            session: the session in its `Authorization: DPoP` header; the proof must name it (`ath`).

        Raises:
            ProofRefusedError: code `use_dpop_nonce` when only the nonce is missing or old, `overloaded` when no further
                proof can be remembered, else `proof_invalid`.
        """
        try:
            verified = verify_proof(
                proof,
                method=method,
                url=self._public_url + path,
                now=now,
                access_token=session,
                nonce_check=lambda nonce: self._nonces.accepts(nonce, now),
                body=body,
                leeway=self._leeway_seconds,
            )
            self._used.use(verified, now=now)
        except ProofRefusedError as error:
            code = _CODES.get(error.code, "proof_invalid")
            raise ProofRefusedError(error.detail, code=code, hint=error.hint) from error
        return verified


_CODES = {"use_dpop_nonce": "use_dpop_nonce", "replay_cache_full": "overloaded"}
