"""Accepting tokens over what a watch knows: the core's checks, with the clocks, the memory and the replay cache around them."""

from collections.abc import Sequence
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

from remit.credential import Credential
from remit.dpop import NonceCheck
from remit.errors import ConfigurationError, TokenInvalidError
from remit.replay import ReplayCache
from remit.verifier.core import Presented, Rules, check_now, check_possession, verify_token
from remit.verifier.outcomes import Outcomes
from remit.verifier.refresh import read_clocks
from remit.verifier.watch import IssuerWatch

_NUDGING_CODES: Final = frozenset({"unknown_key", "unknown_status_list"})
_REMEMBERED_TOKENS: Final = 8192


class Acceptor:
    """Accepts tokens for one set of audiences over a watch that someone else starts and stops. Safe for threads."""

    def __init__(
        self, watch: IssuerWatch, audience: str | Sequence[str], *, leeway: int = 5, max_lifetime: int = 3600
    ) -> None:
        """Accept tokens for `audience`; the other arguments are those of `Verifier`.

        Raises:
            ConfigurationError: no audience.
        """
        self.watch = watch
        self._rules = Rules(_audiences(audience), leeway, max_lifetime)
        self._replays = ReplayCache()
        self._outcomes = Outcomes(None, _REMEMBERED_TOKENS)

    def verify(
        self,
        token: str,
        *,
        proof: str | None = None,
        method: str | None = None,
        url: str | None = None,
        nonce_check: NonceCheck | None = None,
    ) -> Credential:
        """Accept a token, or raise.

        Args:
            token: the agent token, without `Bearer`.
            proof: the request's only `DPoP` header (RFC 9449); required exactly when the token is bound to a key.
            method: the request's HTTP method, with `proof`.
            url: the request's URL as this API publishes it, never made from `Host`, with `proof`.
            nonce_check: says whether the proof's nonce (None: it has none) is one that this API gave out; by default none is needed.

        Raises:
            RefusedError: it is not accepted. `TokenInvalidError`, `TokenExpiredError`, `RevokedError`, `SuspendedError`,
                `StaleError` or `ProofRefusedError` say why; nothing else is ever raised for a hostile token.
        """
        # The path of a token seen before: its signature is known to be good, its time and status are looked at again.
        outcomes = self._outcomes
        snapshot = self.watch.snapshot
        try:
            accepted = outcomes.young.get(token)
            if accepted is not None:
                credential, uri, byte, shift, begins, ends = accepted
                wall_deadline, boot_deadline, data = snapshot.lists[uri]
                if (
                    begins <= (now := time()) < ends
                    and now <= wall_deadline
                    and clock_gettime(CLOCK_BOOTTIME) <= boot_deadline
                    and not data[byte] >> shift & 3
                    and outcomes.epoch is snapshot.epoch
                    and proof is None
                ):
                    return credential
        except (LookupError, TypeError):  # its list is gone, or it is no text
            pass
        return self._verify(Presented(token, proof, method, url, nonce_check))

    def _verify(self, presented: Presented) -> Credential:
        token = presented.token
        snapshot = self.watch.loaded()
        outcomes = self._outcomes
        if outcomes.epoch is not snapshot.epoch:
            outcomes = self._outcomes = Outcomes(snapshot.epoch, _REMEMBERED_TOKENS)
        try:
            accepted = outcomes.find(token)
            if accepted is None:
                accepted = verify_token(token, snapshot, self._rules)
                outcomes.put(token, accepted)
            now = read_clocks()
            check_now(accepted, snapshot, now)
        except TokenInvalidError as error:
            if error.code in _NUDGING_CODES:
                self.watch.nudge()
            raise
        credential = accepted[0]
        if credential.key_thumbprint is not None or presented.proof is not None:
            self._use_proof(credential, presented, int(now.wall))
        return credential

    def _use_proof(self, credential: Credential, presented: Presented, now: int) -> None:
        self._replays.use(check_possession(credential, presented, now, self._rules.leeway), now=now)


def _audiences(audience: str | Sequence[str]) -> frozenset[str]:
    """The audiences as a set; an empty one would accept nothing or, misread, everything, so it is refused."""
    names: list[object] = [audience] if isinstance(audience, str) else list(audience)
    known = frozenset(name for name in names if isinstance(name, str) and 0 < len(name) <= 2048)
    if not names or len(known) != len(set(names)):
        raise ConfigurationError("no audience to verify for", hint="pass audience=, usually the url of this api")
    return known
