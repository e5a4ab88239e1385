"""How long each route takes, how it ends, and a name for each request that the log and the answer share.

Of an answer that goes on for as long as somebody listens, what counts is how long it took to begin.
"""

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

_NAME: Final = web.RequestKey("request_name", str)
_BEGAN_TO_ANSWER: Final = web.RequestKey("began_to_answer", float)


def begins(request: web.Request, response: web.StreamResponse) -> None:
    """Note that a stream of events is about to begin: its headers leave now, and its time is up."""
    request[_BEGAN_TO_ANSWER] = time.perf_counter()
    _sign(request, response)


@web.middleware
async def metered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Time a request, and name it in `X-Request-Id`: this run of the issuer, and a number."""
    began = time.perf_counter()
    name = f"{_RUN}-{next(_numbers):x}"
    request[_NAME] = name
    structlog.contextvars.bind_contextvars(request=name)  # a connection's next request binds its own
    response = await handler(request)
    _sign(request, response)
    resource = request.match_info.route.resource
    route = "unknown" if resource is None else resource.canonical
    answered = request.get(_BEGAN_TO_ANSWER) or time.perf_counter()
    _observed(route, response.status // 100).observe(answered - began)
    return response


def _sign(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Request-Id"] = request[_NAME]
    response.headers["Server"] = "remit"


@lru_cache(maxsize=512)
def _observed(route: str, status_class: int) -> Histogram:
    return _seconds.labels(route, f"{status_class}xx")
