"""One connection to `remit.sock`, below the application: what is not a valid HTTP request is answered as a problem document too.

aiohttp would answer in plain text, repeating a part of the input, and log a traceback for each bit of garbage.
"""

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from remit.errors import InvalidInputError, RemitError
from sidecar.problems import MEDIA_TYPE, respond

_log = structlog.get_logger(__name__)

_IDLE_SECONDS = 60.0  # for a connection that sends no request, or only a part of its head


class Connection(RequestHandler):
    """A connection of a caller."""

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
            return _not_http()
        _log.error("request failed outside of the application", exc_info=exc)
        return _closing(RemitError("the sidecar failed; its log says why", code="internal"))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; those of the framework (an `Expect` that nobody can meet) become ours."""
        if isinstance(resp, web.HTTPException) and resp.content_type != MEDIA_TYPE:
            resp = _not_http()
        return await super().finish_response(request, resp, start_time)


def connections(server: web.Server) -> Callable[[], Connection]:
    """What makes a connection of `server`, which is that of the application's runner, for `loop.create_server`."""
    loop = asyncio.get_running_loop()
    return lambda: Connection(
        server,
        loop=loop,
        keepalive_timeout=_IDLE_SECONDS,
        access_log=None,  # type: ignore[arg-type] # None switches it off, as `AppRunner` takes it
        auto_decompress=False,
    )


def _not_http() -> web.Response:
    return _closing(InvalidInputError("the request is not valid http", code="malformed_request"))


def _closing(error: RemitError) -> web.Response:
    response = respond(error)
    response.force_close()
    return response
