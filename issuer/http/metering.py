"""How long each route takes, how it ends, and a name for each request that the log and the answer share."""

import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import Histogram

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_seconds = Histogram(
    "remit_http_request_seconds",
    "How long requests took, by route and class of status",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


@web.middleware
async def metered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Time a request, and name it in `X-Request-Id`."""
    began = time.perf_counter()
    name = secrets.token_hex(8)
    with structlog.contextvars.bound_contextvars(request=name):
        response = await handler(request)
    response.headers["X-Request-Id"] = name
    response.headers["Server"] = "remit"
    resource = request.match_info.route.resource
    route = "unknown" if resource is None else resource.canonical
    _seconds.labels(route, f"{response.status // 100}xx").observe(time.perf_counter() - began)
    return response
