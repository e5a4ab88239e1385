"""A verifier that accepts what a test tells it to, and remembers what it was asked."""

from remit.credential import Credential
from remit.dpop import NonceCheck
from remit.errors import RefusedError, TokenInvalidError


class FakeVerifier:
    """Accepts the tokens in `accepted`; raises `refusal` for all others."""

    def __init__(self, accepted: dict[str, Credential], refusal: RefusedError | None = None) -> None:
        self.accepted = accepted
        self.refusal = refusal or TokenInvalidError("not a token of this issuer")
        self.asked: list[tuple[str, str | None, str | None, str | None]] = []

    def verify(
        self,
        token: str,
        *,
        proof: str | None = None,
        method: str | None = None,
        url: str | None = None,
        nonce_check: NonceCheck | None = None,
    ) -> Credential:
        """Answer as a verifier does."""
        self.asked.append((token, proof, method, url))
        if token not in self.accepted:
            raise self.refusal
        return self.accepted[token]
