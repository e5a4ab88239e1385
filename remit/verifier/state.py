"""What is known of each issuer at one moment: immutable values, and the pure steps from one to the next.

Staleness is the larger of the wall clock less the `iat` of the newest evidence and the time since its receipt on a clock that counts
suspend. Both bounds are kept as deadlines, so that a reader compares two numbers. A step never goes back: a list or a bundle with
a lower sequence number is ignored and renews nothing. Nor does what contradicts a change that the issuer has announced: a list
without it is taken for no younger than the announcement, and one that was made under a newer bundle for no younger than it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from remit.bundle import Bundle, PublicKeys
from remit.errors import InvalidInputError, TokenInvalidError
from remit.jose import ALGORITHMS, b64url_decode, strict_json
from remit.jose.keys import Check
from remit.statuslist import StatusListToken
from remit.verifier.metadata import Metadata

STATUS_BITS: Final = 2
MAX_ISSUER_BYTES: Final = 256 << 20
"""The most that all lists of one issuer may unpack to: 2^30 statuses. Each is small while it is on its way."""

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


NEVER: Final = Deadlines(0.0, 0.0)
"""What is known was never confirmed: nothing is accepted by it."""
_ALWAYS: Final = Deadlines(inf, inf)

LiveList = tuple[float, float, bytes]
"""A status list as the verifying path reads it: the unix seconds past which it is stale, the same on the clock that counts
suspend, and the packed statuses, two bits each. A plain tuple, for speed."""


class KnownList(NamedTuple):
    """What is known of one status list.

    Attributes:
        seq: the number of the newest change that it includes.
        issued_at: unix seconds of the issuer's clock at which no newer one was missing; 0 if it never said so.
        data: the packed statuses, two bits each.
        deadlines: until when it is fresh by itself.
    """

    seq: int
    issued_at: int
    data: bytes
    deadlines: Deadlines


class Announced(NamedTuple):
    """The newest change that the issuer has told of, whether it is known what it changed or not.

    Attributes:
        seq: its number.
        issued_at: unix seconds, the issuer's clock when it said so.
        boot: when that was heard, on the clock that counts suspend.
    """

    seq: int
    issued_at: int
    boot: float


_NOTHING_ANNOUNCED: Final = Announced(0, 0, 0.0)


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
        bundle: its token keys, without those that are tainted; none at all while the only one was and no new bundle is read.
        token_keys: the same, ready for checking; replaced only when the keys change.
        bundle_deadlines: until when the bundle is trusted without having been read again.
        status_keys: the keys of its status lists.
        lists: its status lists by URI.
        announced: the newest change that it told of in an event or heartbeat.
        bundle_wanted: the newest bundle's sequence that it told of.
        tainted: the `kid`s of token keys that it took back; no bundle brings them back.
        floor: the head that it named when this verifier was registered, or what was applied when a list was dropped; nothing is
            accepted before `applied` has reached it.
    """

    issuer: str
    metadata: Metadata
    bundle: Bundle
    token_keys: TokenKeys
    bundle_deadlines: Deadlines
    status_keys: PublicKeys
    lists: Mapping[str, KnownList] = field(default_factory=dict)
    announced: Announced = _NOTHING_ANNOUNCED
    bundle_wanted: int = 0
    tainted: frozenset[str] = frozenset()
    floor: int = 0

    @property
    def applied(self) -> int:
        """The newest change that every list includes: 0 without lists."""
        return min((known.seq for known in self.lists.values()), default=0)

    @property
    def bundle_sequence(self) -> int:
        """The bundle's `spiffe_sequence`; 0 where it has none."""
        return self.bundle.sequence or 0

    @property
    def lacks_changes(self) -> bool:
        """Whether a change was announced that some list does not include."""
        return self.applied < max(self.announced.seq, self.floor)

    @property
    def lacks_bundle(self) -> bool:
        """Whether a newer bundle than the known one was announced."""
        return self.bundle_sequence < self.bundle_wanted

    def is_stale(self, now: Moment) -> bool:
        """Whether the bundle, or one of the lists, was not confirmed for too long."""
        deadlines = [self.bundle_deadlines, *(known.deadlines for known in self.lists.values())]
        return any(now.wall > wall or now.boot > boot for wall, boot in deadlines)

    def with_bundle(self, bundle: Bundle, deadlines: Deadlines) -> "IssuerState":
        """With a bundle that was just read; one with a lower sequence is ignored and renews nothing."""
        if (bundle.sequence or 0) < self.bundle_sequence:
            return self
        return self._trusting(bundle, self.tainted, deadlines)

    def without_keys(self, kids: Iterable[str]) -> "IssuerState":
        """Without these token keys, from now on and whatever a bundle says: they are tainted."""
        tainted = self.tainted.union(kids)
        return self if tainted == self.tainted else self._trusting(self.bundle, tainted, self.bundle_deadlines)

    def _trusting(self, bundle: Bundle, tainted: frozenset[str], deadlines: Deadlines) -> "IssuerState":
        if not tainted.isdisjoint(bundle.keys):
            trusted = {kid: key for kid, key in bundle.keys.items() if kid not in tainted}
            bundle = msgspec.structs.replace(bundle, keys=MappingProxyType(trusted))
        token_keys = self.token_keys if self.token_keys.same_as(bundle.keys) else TokenKeys(bundle.keys)
        return replace(self, bundle=bundle, token_keys=token_keys, bundle_deadlines=deadlines, tainted=tainted)

    def with_status_keys(self, keys: PublicKeys) -> "IssuerState":
        """With the status keys that were just read."""
        return replace(self, status_keys=keys)

    def with_list(self, token: StatusListToken, received: Moment, max_staleness: float) -> "IssuerState":
        """With a list that was asked for at `received`; one that is older than what is known is ignored.

        Raises:
            InvalidInputError: not two bits for each status, smaller than it was, or too much together with the other lists.
        """
        known = self.lists.get(token.uri)
        data = token.statuses.data
        if token.statuses.bits != STATUS_BITS:
            raise InvalidInputError(f"the status list has {token.statuses.bits} bits", code="malformed_status_list")
        state = self.with_announcement(self.announced, token.bundle_seq)
        others = sum(len(other.data) for uri, other in self.lists.items() if uri != token.uri)
        if others + len(data) > MAX_ISSUER_BYTES:
            raise InvalidInputError("the status lists are too large together", code="status_list_too_large")
        issued_at, deadlines = self._evidence_of(token, received, max_staleness)
        if known is None:
            if token.seq < self.applied:  # it would take back what is enforced already
                return state
        else:
            if (token.seq, token.issued_at) <= (known.seq, known.issued_at):
                return state
            if len(data) < len(known.data):
                raise InvalidInputError("the status list has become smaller", code="malformed_status_list")
            data = known.data if data == known.data else data  # the same object: nothing changed
            issued_at, deadlines = max((issued_at, deadlines), (known.issued_at, known.deadlines))
        return replace(state, lists={**self.lists, token.uri: KnownList(token.seq, issued_at, data, deadlines)})

    def _evidence_of(self, token: StatusListToken, received: Moment, max_staleness: float) -> tuple[int, Deadlines]:
        """As of when the list is right, as far as that agrees with what the issuer said before, and how long it is fresh."""
        if token.bundle_seq > self.bundle_sequence:
            return 0, NEVER
        wall, boot = token.issued_at, received.boot
        if token.seq < self.announced.seq:
            wall, boot = min(wall, self.announced.issued_at), min(boot, self.announced.boot)
        return wall, Deadlines(min(wall + max_staleness, token.expires_at), boot + max_staleness)

    def with_announcement(self, announced: Announced, bundle_seq: int) -> "IssuerState":
        """With a change and a bundle of these numbers announced; older ones than those known change nothing."""
        if announced.seq <= self.announced.seq and bundle_seq <= self.bundle_wanted:
            return self
        newest = max(self.announced, announced, key=lambda each: each.seq)
        return replace(self, announced=newest, bundle_wanted=max(self.bundle_wanted, bundle_seq))

    def only_lists(self, uris: Iterable[str]) -> "IssuerState":
        """Without the lists that are no longer announced; what was applied is demanded of whatever is read in their place."""
        announced = set(uris)
        if announced >= self.lists.keys():
            return self
        kept = {uri: known for uri, known in self.lists.items() if uri in announced}
        return replace(self, lists=kept, floor=max(self.floor, self.applied))


class Snapshot:
    """What is known of all issuers; replaced whole, never changed.

    Attributes:
        issuers: by URL.
        lists: every status list by URI, as fresh as its own list and its issuer's bundle are.
        epoch: the same object for as long as no token key changes: what was verified in it stays verified.
    """

    __slots__ = ("epoch", "issuers", "lists")

    def __init__(
        self, states: Iterable[IssuerState] = (), previous: "Snapshot | None" = None, *, bounded: bool = True
    ) -> None:
        """Of `states`, which follow those of `previous`; unless `bounded`, what was once fresh is taken for fresh for ever."""
        self.issuers: Mapping[str, IssuerState] = {state.issuer: state for state in states}
        self.lists: dict[str, LiveList] = {
            uri: (*_deadlines(known, state, bounded=bounded), known.data)
            for state in self.issuers.values()
            for uri, known in state.lists.items()
        }

        same_keys = previous is not None and self._has_keys_of(previous)
        self.epoch: object = previous.epoch if previous and same_keys else object()

    def agrees_with(self, previous: "Snapshot") -> bool:
        """Whether nothing but the freshness differs: the same keys, lists and statuses."""
        if self.epoch is not previous.epoch or self.lists.keys() != previous.lists.keys():
            return False
        return all(data is previous.lists[uri][2] for uri, (_, _, data) in self.lists.items())

    def _has_keys_of(self, other: "Snapshot") -> bool:
        return self.issuers.keys() == other.issuers.keys() and all(
            state.token_keys is other.issuers[issuer].token_keys for issuer, state in self.issuers.items()
        )


def _deadlines(known: KnownList, state: IssuerState, *, bounded: bool) -> Deadlines:
    own, bundle = known.deadlines, state.bundle_deadlines
    if state.applied < state.floor or own == NEVER:
        return NEVER
    return Deadlines(min(own.wall, bundle.wall), min(own.boot, bundle.boot)) if bounded else _ALWAYS
