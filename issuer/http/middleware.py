"""What surrounds every request: whatever goes wrong becomes a problem document, and a refusal leaves an audit record.

Refusals under `/v1/`, of `/metrics` and of verifiers are recorded, whoever asked, but not the request for a nonce, which is a step of the
protocol and refuses nothing (RFC 9449, section 8); those of callers nobody knows only at a bounded rate
(`issuer.audit.service.AuditLog`), so that a flood of them cannot fill the disk.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog
from aiohttp import web

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.service import ANONYMOUS, AuditLog
from issuer.http.problems import problem, problem_response
from issuer.storage import StorageError
from remit.errors import RemitError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_RECORDED: Final = ("/v1/", "/metrics", "/status/verifiers")

_log = structlog.get_logger(__name__)


class Principal(msgspec.Struct, frozen=True):
    """Who a request turned out to be from.

    Attributes:
        actor: the name in the audit log.
        account: the account that they are limited to, or None.
    """

    actor: str
    account: str | None = None


PRINCIPAL: Final = web.RequestKey("principal", Principal)
"""Where whoever admits a caller leaves who it is."""

REFUSAL_RECORDED: Final = web.RequestKey("refusal_recorded", bool)
"""Set by a handler that has written the audit record of its refusal itself."""


def problems_and_records(audit: AuditLog, clock_ms: Callable[[], int]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The middleware; `clock_ms` gives milliseconds since the epoch."""

    @web.middleware
    async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
        allow = None
        try:
            return await handler(request)
        except RemitError as error:
            refusal = error
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refusal, allow = _of_framework(error), error.headers.get("Allow")
        except Exception:  # noqa: BLE001 - a defect of ours must neither leak out nor take the server down
            _log.exception("request failed", method=request.method, path=_route(request))
            refusal = RemitError("a defect", code="internal")
        await _record(audit, request, refusal, clock_ms())
        response = problem_response(refusal)
        if allow is not None:
            response.headers["Allow"] = allow
        return response

    return surround


def _of_framework(error: web.HTTPException) -> RemitError:
    match error.status:
        case 404:
            return RemitError("there is nothing at this path", code="not_found")
        case 405:
            return RemitError("this path does not take that method", code="method_not_allowed")
        case 413:
            return RemitError("the body is too long", code="body_too_large", hint="send less at once")
        case _:
            return RemitError("the request is not valid http", code="malformed_request")


async def _record(audit: AuditLog, request: web.Request, refusal: RemitError, at_ms: int) -> None:
    document = problem(refusal)
    recorded = REFUSAL_RECORDED in request or not request.path.startswith(_RECORDED)
    if recorded or document.status >= 500 or document.code == "use_dpop_nonce":
        return
    principal = request.get(PRINCIPAL, Principal(ANONYMOUS))
    record = AuditRecord(
        at_ms=at_ms,
        kind="request",
        outcome=Outcome.REFUSED,
        actor=principal.actor,
        account=principal.account,
        detail={"code": document.code, "method": request.method[:16], "route": _route(request), "why": document.detail},
    )
    try:
        await audit.record_refusal(document.code, record)
    except StorageError as error:
        _log.error("refusal not recorded", code=document.code, error=error.code)


def _route(request: web.Request) -> str:
    """The pattern of the path, not the path: that may hold anything."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
