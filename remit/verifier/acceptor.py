"""Accepting tokens over what a watch knows: the core's checks, with the clocks, the memory and the replay cache around them."""

from collections.abc import Sequence
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

from remit.credential import Credential
from remit.errors import ConfigurationError, TokenInvalidError
from remit.replay import ReplayCache
from remit.verifier.core import Accepted, Presented, Rules, check_now, check_possession, verify_token
from remit.verifier.outcomes import Outcomes
from remit.verifier.refresh import read_clocks
from remit.verifier.state import Moment, Snapshot
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
        self._bound_outcomes = Outcomes(None, _REMEMBERED_TOKENS)

    def verify(
        self, token: str, *, proof: str | None = None, method: str | None = None, url: str | None = None
    ) -> Credential:
        """Accept a token, or raise.

        Args:
            token: the agent token, without `Bearer`.
            proof: the request's only `DPoP` header (RFC 9449); required exactly when the token is bound to a key.
            method: the request's HTTP method, with `proof`.
            url: the request's URL as this API publishes it, never made from `Host`, with `proof`.

        Raises:
            RefusedError: it is not accepted. `TokenInvalidError`, `TokenExpiredError`, `RevokedError`, `SuspendedError`,
                `StaleError` or `ProofRefusedError` say why; nothing else is ever raised for a hostile token.
        """
        # The path of a token seen before: its signature is known to be good, its time and status are looked at again.
        outcomes = self._outcomes
        snapshot = self.watch.snapshot
        try:
            credential, uri, byte, shift, begins, ends = outcomes.young[token]
            wall_deadline, boot_deadline, data = snapshot.lists[uri]
            status = data[byte] >> shift & 3
        except (LookupError, TypeError):
            return self._verify(Presented(token, proof, method, url))
        if (
            begins <= (now := time()) < ends
            and now <= wall_deadline
            and clock_gettime(CLOCK_BOOTTIME) <= boot_deadline
            and not status
            and outcomes.epoch is snapshot.epoch
            and proof is None
        ):
            return credential
        return self._verify(Presented(token, proof, method, url))

    def _verify(self, presented: Presented) -> Credential:
        snapshot = self.watch.loaded()
        now = read_clocks()
        try:
            accepted = self._find(presented.token, snapshot)
            if accepted is None:
                accepted = verify_token(presented.token, snapshot, self._rules)
                self._remember(presented.token, accepted, snapshot, now)
            check_now(accepted, snapshot.lists.get(accepted.uri), now)
        except TokenInvalidError as error:
            if error.code in _NUDGING_CODES:
                self.watch.nudge()
            raise
        shown = check_possession(accepted.credential, presented, int(now.wall), self._rules.leeway)
        if shown is not None:
            self._replays.use(shown, now=int(now.wall))
        return accepted.credential

    def _find(self, token: object, snapshot: Snapshot) -> Accepted | None:
        if self._outcomes.epoch is not snapshot.epoch:
            self._outcomes = Outcomes(snapshot.epoch, _REMEMBERED_TOKENS)
            self._bound_outcomes = Outcomes(snapshot.epoch, _REMEMBERED_TOKENS)
        if type(token) is not str:
            return None
        return self._outcomes.find(token) or self._bound_outcomes.find(token)

    def _remember(self, token: str, accepted: Accepted, snapshot: Snapshot, now: Moment) -> None:
        bound = accepted.credential.key_thumbprint is not None
        outcomes = self._bound_outcomes if bound else self._outcomes
        if outcomes.epoch is snapshot.epoch and now.wall < accepted.ends:
            outcomes.put(token, accepted)


def _audiences(audience: str | Sequence[str]) -> frozenset[str]:
    """The audiences as a set; an empty one would accept nothing or, misread, everything, so it is refused."""
    names: list[object] = [audience] if isinstance(audience, str) else list(audience)
    known = frozenset(name for name in names if isinstance(name, str) and 0 < len(name) <= 2048)
    if not names or len(known) != len(set(names)):
        raise ConfigurationError("no audience to verify for", hint="pass audience=, usually the url of this api")
    return known
