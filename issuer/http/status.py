"""Status to those who verify: `/statuslists` and `/statuslists/<n>`, each a signed Token Status List, and `/status/events`.

Lists have no conditional answers: a 304 would say that nothing has changed without saying when that was looked at. The events are
server-sent events (HTML Living Standard, section 9.2) that go on until one side ends them; whoever comes back says in `Last-Event-ID`
what it has seen.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Final

import msgspec
from aiohttp import web

from issuer.errors import NotFoundError
from issuer.http.answers import NO_STORE, answer
from issuer.http.event_stream import STALLED_SECONDS, EventStream
from issuer.http.metering import begins
from issuer.http.providers import ProviderGate
from issuer.http.requests import read_query
from issuer.services import Services
from issuer.status.events import MEDIA_TYPE as EVENTS
from issuer.status.signing import TTL_SECONDS
from remit.errors import InvalidInputError, RemitError
from remit.statuslist import MEDIA_TYPE

_NUMBER_RE: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_SEQ_RE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_NOWHERE: Final = "0.0.0.0"  # noqa: S104 - not bound to: the address of a peer that is gone already
_STREAM_HEADERS: Final = {
    "Content-Type": EVENTS,
    "Cache-Control": "no-store, no-transform",  # a proxy that compresses would hold events back
    "X-Accel-Buffering": "no",
}


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query parameters of the stream of events.

    Attributes:
        verifier: the instance that a provider's verifier registered as; None: anonymous.
    """

    verifier: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


def routes(services: Services, gate: ProviderGate) -> Iterable[web.RouteDef]:
    """The routes of status lists and events; `gate` lets providers in."""

    async def announced(_request: web.Request) -> web.Response:
        return answer({"status_lists": await services.status_signer.announced()}, cache=NO_STORE)

    async def status_list(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if _NUMBER_RE.fullmatch(number) is None:
            raise NotFoundError("there is no such status list")
        token = await services.status_signer.token(int(number))
        response = web.Response(
            body=token.encode("ascii"),
            content_type=MEDIA_TYPE,
            headers={"Cache-Control": f"max-age={TTL_SECONDS}", "Vary": "Accept-Encoding"},
        )
        response.enable_compression()
        return response

    return [
        web.get("/statuslists", announced),
        web.get("/statuslists/{number}", status_list),
        web.get("/status/events", _Events(services, gate).serve),
    ]


class _Events:
    """The stream of status events."""

    def __init__(self, services: Services, gate: ProviderGate) -> None:
        self._feed = services.feed
        self._subscribers = services.subscribers
        self._enforcement = services.enforcement
        self._gate = gate

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Tell what changes until the subscriber leaves or the issuer stops."""
        seen = _last_event_id(request)
        response = web.StreamResponse(headers=_STREAM_HEADERS)
        response.force_close()
        async with self._admitted(request) as ended:
            if request.method != "HEAD":
                await self._stream(request, response, seen, ended)
        return response

    @asynccontextmanager
    async def _admitted(self, request: web.Request) -> AsyncIterator[asyncio.Event]:
        """Count a subscriber while the block runs: a registered verifier of a provider, or one whom nobody knows.

        Yields:
            An event that is set when its stream is to end.

        Raises:
            UnauthenticatedError: its credential is not one of an active provider, or it names a verifier and has none.
            InvalidInputError: it does not say which verifier it is.
            UnknownVerifierError: that one is not registered.
            TooManySubscribersError: there are enough.
        """
        instance = read_query(request, EventsQuery).verifier
        if instance is None and "Authorization" not in request.headers:
            with self._subscribers.anonymously(request.remote or _NOWHERE):
                yield asyncio.Event()
            return
        provider = await self._gate.admit(request)
        if instance is None:
            raise InvalidInputError("`verifier` is missing", code="malformed_request", hint="name the instance")
        with self._subscribers.of_provider(provider.name), self._enforcement.attending(provider, instance) as ended:
            yield ended

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, seen: int | None, ended: asyncio.Event
    ) -> None:
        """Send events until `ended` is set, or nobody is there any more."""
        begins(request, response)
        with suppress(ConnectionError, RemitError):  # the subscriber is gone, or nothing can be signed: the stream ends
            await response.prepare(request)
            stream = EventStream(request, ended)
            try:
                self._feed.join(stream, await self._replay(response, seen))
                await ended.wait()
            except TimeoutError:
                stream.drop()
            finally:
                self._feed.leave(stream)

    async def _replay(self, response: web.StreamResponse, seen: int | None) -> int | None:
        """Send what the subscriber missed, as fast as it takes it; the number of the newest sent."""
        while events := self._feed.missed(seen):
            async with asyncio.timeout(STALLED_SECONDS):
                await response.write(b"".join(event.frame for event in events))
            seen = events[-1].seq
        return seen


def _last_event_id(request: web.Request) -> int | None:
    """The number of the event that the subscriber saw last, if it says so.

    Raises:
        InvalidInputError: what it says is no number of an event; `malformed_request`.
    """
    given = request.headers.getall("Last-Event-ID", [""])
    if given == [""]:
        return None
    if len(given) > 1 or _SEQ_RE.fullmatch(given[0]) is None:
        raise InvalidInputError(
            "the Last-Event-ID is not the id of an event",
            code="malformed_request",
            hint="send the id of the last event as it came, or no such header",
        )
    return int(given[0])
