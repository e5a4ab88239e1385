"""What is known of each issuer at one moment: immutable values, and the pure steps from one to the next.

Staleness is the larger of the wall clock less a list's `iat` and the time since its receipt on a clock that counts suspend.
Both bounds are kept as deadlines, so that a reader compares two numbers. A step never goes back: a list or a bundle with a
lower sequence number is ignored and renews nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec

from remit.bundle import Bundle, PublicKeys
from remit.errors import InvalidInputError, TokenInvalidError
from remit.jose import ALGORITHMS, b64url_decode, strict_json
from remit.jose.keys import Check
from remit.statuslist import StatusListToken
from remit.verifier.metadata import Metadata

STATUS_BITS: Final = 2

_REMEMBERED_HEADERS: Final = 256
_HEADER_NAMES: Final = {"alg", "kid", "typ"}


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One reading of both clocks.

    Attributes:
        wall: unix seconds.
        boot: seconds of a clock that never steps and counts suspend (`CLOCK_BOOTTIME`).
    """

    wall: float
    boot: float


class Deadlines(NamedTuple):
    """Until when something is fresh, on both clocks; past either it is stale."""

    wall: float
    boot: float


LiveList = tuple[float, float, bytes]
"""A status list as the verifying path reads it: the unix seconds past which it is stale, the same on the clock that counts
suspend, and the packed statuses, two bits each. A plain tuple, for speed."""


class KnownList(NamedTuple):
    """The newest token of one status list, and until when it is fresh by itself."""

    token: StatusListToken
    deadlines: Deadlines


class TokenKeys:
    """The keys of one bundle; remembers which exact header means which key."""

    __slots__ = ("_checks", "_keys")

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys
        self._checks: dict[str, Check] = {}

    def check_of(self, header: str) -> Check:
        """The signature check of a header part, as it is in the token (base64url).

        Raises:
            InvalidInputError: not base64url of strict JSON.
            TokenInvalidError: not exactly `alg`, `kid` and `typ`, or a key that is not known (code `unknown_key`).
        """
        check = self._checks.get(header)
        if check is None:
            check = self._read(header)
            if len(self._checks) < _REMEMBERED_HEADERS:
                self._checks[header] = check
        return check

    def same_as(self, keys: PublicKeys) -> bool:
        """Whether `keys` are the same keys under the same names."""
        return {kid: key.key for kid, key in self._keys.items()} == {kid: key.key for kid, key in keys.items()}

    def _read(self, header: str) -> Check:
        members = strict_json(b64url_decode(header), max_bytes=1024, max_depth=2)
        if not isinstance(members, dict) or members.keys() != _HEADER_NAMES or members["typ"] != "JWT":
            raise TokenInvalidError("the header is not exactly alg, kid and typ JWT", code="header_refused")
        alg, kid = members["alg"], members["kid"]
        if not isinstance(alg, str) or alg not in ALGORITHMS:
            raise TokenInvalidError("the algorithm is not one of a jwt-svid", code="header_refused")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenInvalidError("the token is signed by a key that the issuer does not publish", code="unknown_key")
        return key.checker(alg)


@dataclass(frozen=True, slots=True)
class IssuerState:
    """What is known of one issuer.

    Attributes:
        issuer: its URL, the `iss` of its tokens.
        metadata: what it announced when it was loaded; never replaced while the verifier runs.
        bundle: its token keys.
        token_keys: the same, ready for checking; replaced only when the keys change.
        bundle_deadlines: until when the bundle is trusted without having been read again.
        status_keys: the keys of its status lists.
        lists: its status lists by URI.
    """

    issuer: str
    metadata: Metadata
    bundle: Bundle
    token_keys: TokenKeys
    bundle_deadlines: Deadlines
    status_keys: PublicKeys
    lists: Mapping[str, KnownList] = field(default_factory=dict)

    def with_bundle(self, bundle: Bundle, deadlines: Deadlines) -> "IssuerState":
        """With a bundle that was just read; one with a lower sequence is ignored and renews nothing."""
        if (bundle.sequence or 0) < (self.bundle.sequence or 0):
            return self
        token_keys = self.token_keys if self.token_keys.same_as(bundle.keys) else TokenKeys(bundle.keys)
        return replace(self, bundle=bundle, token_keys=token_keys, bundle_deadlines=deadlines)

    def with_status_keys(self, keys: PublicKeys) -> "IssuerState":
        """With the status keys that were just read."""
        return replace(self, status_keys=keys)

    def with_list(self, token: StatusListToken, received: Moment, max_staleness: float) -> "IssuerState":
        """With a list that was asked for at `received`; one that is older than what is known is ignored.

        Raises:
            InvalidInputError: not two bits for each status, or smaller than it was.
        """
        known = self.lists.get(token.uri)
        if token.statuses.bits != STATUS_BITS:
            raise InvalidInputError(f"the status list has {token.statuses.bits} bits", code="malformed_status_list")
        if known is not None:
            if (token.seq, token.issued_at) < (known.token.seq, known.token.issued_at):
                return self
            if token.statuses.size < known.token.statuses.size:
                raise InvalidInputError("the status list has become smaller", code="malformed_status_list")
        wall = min(token.issued_at + max_staleness, token.expires_at)
        deadlines = Deadlines(wall, received.boot + max_staleness)
        return replace(self, lists={**self.lists, token.uri: KnownList(token, deadlines)})

    def only_lists(self, uris: Iterable[str]) -> "IssuerState":
        """Without the lists that are no longer announced."""
        announced = set(uris)
        if announced >= self.lists.keys():
            return self
        return replace(self, lists={uri: known for uri, known in self.lists.items() if uri in announced})


class Snapshot:
    """What is known of all issuers; replaced whole, never changed.

    Attributes:
        issuers: by URL.
        lists: every status list by URI, as fresh as its own list and its issuer's bundle are.
        epoch: the same object for as long as no token key changes: what was verified in it stays verified.
    """

    __slots__ = ("epoch", "issuers", "lists")

    def __init__(self, states: Iterable[IssuerState] = (), previous: "Snapshot | None" = None) -> None:
        self.issuers: Mapping[str, IssuerState] = {state.issuer: state for state in states}
        self.lists: dict[str, LiveList] = {
            uri: _live(known, state.bundle_deadlines)
            for state in self.issuers.values()
            for uri, known in state.lists.items()
        }

        same_keys = previous is not None and self._has_keys_of(previous)
        self.epoch: object = previous.epoch if previous and same_keys else object()

    def _has_keys_of(self, other: "Snapshot") -> bool:
        return self.issuers.keys() == other.issuers.keys() and all(
            state.token_keys is other.issuers[issuer].token_keys for issuer, state in self.issuers.items()
        )


def _live(known: KnownList, bundle: Deadlines) -> LiveList:
    own = known.deadlines
    return min(own.wall, bundle.wall), min(own.boot, bundle.boot), known.token.statuses.data
