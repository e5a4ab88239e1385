"""The embedded verifier: the bundle, the status of what was issued, and `ValidateJWTSVID`.

It is the library's own: one thread follows the issuer's status events, or polls where none come, and its core decides. Two
questions are asked of it, and they treat what is not known differently. Validating somebody's token fails closed: too old to
say is a refusal. Serving a cached token does not: it is dropped when its grant is *known* to be withdrawn, and providers hold
their own bound.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Protocol

from cachetools import LRUCache

from remit.bundle import Bundle
from remit.errors import UnavailableError
from remit.jose import parse_unverified
from remit.jose.encoding import JSONValue
from remit.statuslist import VALID
from remit.verifier import Acceptor, IssuerWatch
from remit.verifier.state import Snapshot
from sidecar.cache import StatusEntry

_START_SECONDS = 5.0
_REMEMBERED_AUDIENCES = 64


class Validator(Protocol):
    """Validates agent tokens."""

    def validate(self, token: str, audience: str) -> tuple[str, Mapping[str, JSONValue]]:
        """The SPIFFE ID and the claims of a good token.

        Raises:
            RefusedError: it is not good, or what is known is too old to say (StaleError).
            UnavailableError: nothing is known of the issuer yet.
        """


class Trust:
    """What is known of the issuer."""

    def __init__(
        self,
        issuer: str,
        publish: Callable[[Bundle], None],
        changed: Callable[[], None],
        *,
        poll_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Follow `issuer`, once loaded.

        `publish` is told of its bundle then, and whenever its keys may have changed; `changed` hears of each later change of
        a status or of the keys. Both are called on the event loop.
        """
        self._watch = IssuerWatch(
            issuer, poll_interval=poll_seconds, start_timeout=_START_SECONDS, tls=tls, on_change=self._wake
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publish = publish
        self._changed = changed
        self._told = self._watch.snapshot
        self._kids: frozenset[str] = frozenset()
        self._gone: frozenset[str] = frozenset()
        self._acceptors: LRUCache[str, Acceptor] = LRUCache(_REMEMBERED_AUDIENCES)

    async def load(self) -> None:
        """Start to follow the issuer; return when its keys and status lists are loaded.

        Raises:
            UnavailableError: they are not, after five seconds; nothing runs then.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._watch.start)
        self._tell()

    async def close(self) -> None:
        """Stop following."""
        await asyncio.to_thread(self._watch.stop)

    def is_withdrawn(self, entry: StatusEntry) -> bool:
        """Whether a token's grant is known to be revoked or suspended."""
        live = self._watch.snapshot.lists.get(entry.uri)
        if live is None:
            return False
        _, _, data = live
        return entry.index < len(data) * 4 and data[entry.index >> 2] >> (entry.index & 3) * 2 & 3 != VALID

    def is_gone(self, kid: str) -> bool:
        """Whether a key is tainted, or was in the bundle and is no longer, its last token having expired."""
        return kid in self._gone

    def knowledge(self) -> object:
        """What the two answer by: it differs once they may answer differently."""
        snapshot = self._watch.snapshot
        return snapshot.epoch, _statuses(snapshot)

    def validate(self, token: str, audience: str) -> tuple[str, Mapping[str, JSONValue]]:
        """See `Validator`. A token that is bound to a key is refused: this call carries no proof."""
        if not self._watch.snapshot.issuers:
            raise UnavailableError("nothing is known of the issuer yet", hint="try again with a backoff")
        acceptor = self._acceptors.get(audience)
        if acceptor is None:
            acceptor = self._acceptors[audience] = Acceptor(self._watch, audience)
        credential = acceptor.verify(token)
        return str(credential.spiffe_id), parse_unverified(token).unverified_payload()

    def _wake(self) -> None:
        """In the watching thread: have the event loop look."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        told, now = self._told, self._watch.snapshot
        if now is told or not now.issuers:
            return
        self._told = now
        keys_changed = now.epoch is not told.epoch
        if keys_changed:
            kids = frozenset(chain.from_iterable(state.bundle.keys for state in now.issuers.values()))
            tainted = frozenset(chain.from_iterable(state.tainted for state in now.issuers.values()))
            self._gone, self._kids = (self._gone | self._kids | tainted) - kids, kids
            for state in now.issuers.values():
                self._publish(state.bundle)
        if told.issuers and (keys_changed or _statuses(now) != _statuses(told)):
            self._changed()


def _statuses(snapshot: Snapshot) -> dict[str, bytes]:
    return {uri: data for uri, (_, _, data) in snapshot.lists.items()}
