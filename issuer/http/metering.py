"""How long each route takes, how it ends, and a name for each request that the log and the answer share."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

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


_RUN: Final = secrets.token_hex(4)
_numbers = itertools.count(1)


@web.middleware
async def metered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Time a request, and name it in `X-Request-Id`: this run of the issuer, and a number."""
    began = time.perf_counter()
    name = f"{_RUN}-{next(_numbers):x}"
    structlog.contextvars.bind_contextvars(request=name)  # a connection's next request binds its own
    response = await handler(request)
    response.headers["X-Request-Id"] = name
    response.headers["Server"] = "remit"
    resource = request.match_info.route.resource
    route = "unknown" if resource is None else resource.canonical
    _observed(route, response.status // 100).observe(time.perf_counter() - began)
    return response


@lru_cache(maxsize=512)
def _observed(route: str, status_class: int) -> Histogram:
    return _seconds.labels(route, f"{status_class}xx")
