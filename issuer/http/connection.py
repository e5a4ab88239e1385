"""One connection, below the application: what is not a valid HTTP request is answered as a problem document too.

aiohttp's own answers would repeat a part of the input, which may be a credential, name its version, and put a traceback into the
log for each bit of garbage.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from issuer.http.problems import MEDIA_TYPE, problem_response
from remit.errors import RemitError

_log = structlog.get_logger(__name__)

_LINGERING_SECONDS: Final = 5
"""How long what is still sent is read after a refusal, so that the client gets to see it."""

_NOT_HTTP: Final = RemitError("the request is not valid http", code="malformed_request")


class Connection(RequestHandler):
    """A connection of a client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats the input
    ) -> web.StreamResponse:
        """Answer what the application could not: garbage (400), or a defect outside of it (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer was sent already")
        if status < 500:
            _log.debug("not http", error=type(exc).__name__)
            return _closing(_NOT_HTTP)
        _log.error("request failed outside of the application", exc_info=exc)
        return _closing(RemitError("a defect", code="internal"))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; those of the framework (an `Expect` that nobody can meet) become ours."""
        if resp.status >= 400 and resp.content_type != MEDIA_TYPE and isinstance(resp, web.HTTPException):
            resp = _closing(_NOT_HTTP)
        return await super().finish_response(request, resp, start_time)


def connections(server: web.Server, *, idle_seconds: int) -> Callable[[], Connection]:
    """What makes a connection of `server`, for `loop.create_server`.

    Args:
        server: of the application's runner.
        idle_seconds: how long a connection may wait for a request that is complete up to its body.
    """
    loop = asyncio.get_running_loop()
    return lambda: Connection(
        server,
        loop=loop,
        keepalive_timeout=idle_seconds,
        lingering_time=min(_LINGERING_SECONDS, idle_seconds),
        access_log=None,  # type: ignore[arg-type] # None switches it off, as `AppRunner` takes it
        auto_decompress=False,
    )


def _closing(error: RemitError) -> web.Response:
    response = problem_response(error)
    response.headers["Server"] = "remit"
    response.force_close()
    return response
