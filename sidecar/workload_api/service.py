"""`SpiffeWorkloadAPI` (SPIFFE Workload API, section 6: the JWT-SVID profile), for callers that the kernel names.

The X.509-SVID profile is answered Unimplemented: operators may disable a profile (Workload API, section 1), and that is the
code for an RPC that is not implemented (SPIFFE Workload Endpoint, appendix A). Validation tells nothing that the issuer's
public documents do not, and is for every local process that can be identified; a stream is for agents, and ends with
PermissionDenied when its caller is none any more, which clients take as their identity being withdrawn (Workload API, section
6.2.2) and try again with a backoff.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from remit.errors import InvalidInputError, RefusedError, RemitError, StaleError
from remit.ids import SPIFFEID, AgentName, TrustDomain
from sidecar.bundles import Bundles
from sidecar.issue import TokenRequest
from sidecar.metrics import Metrics
from sidecar.peer import Caller, Callers
from sidecar.streams import Streams
from sidecar.tokens import Tokens
from sidecar.trust import Validator
from sidecar.workload_api.grpclib_private import ServerStream, receive, reply, transport_of
from sidecar.workload_api.messages import (
    decode_jwt_svid_request,
    decode_validate_request,
    encode_bundles,
    encode_validated,
)
from sidecar.workload_api.status import as_grpc

_log = structlog.get_logger(__name__)

_SERVICE = "/SpiffeWorkloadAPI/"
_SECURITY_HEADER = "workload.spiffe.io"

Method = Callable[[ServerStream], Awaitable[None]]


class WorkloadAPI:
    """The service; give it to `grpclib.server.Server`."""

    def __init__(
        self,
        callers: Callers,
        *,
        tokens: Tokens,
        bundles: Bundles,
        streams: Streams,
        validator: Validator,
        metrics: Metrics,
    ) -> None:
        self._callers = callers
        self._tokens = tokens
        self._bundles = bundles
        self._streams = streams
        self._validator = validator
        self._metrics = metrics

    def __mapping__(self) -> dict[str, Handler]:
        """Grpclib's port: the handler of each path. Messages pass as bytes, so their types are `bytes`."""
        unary, stream = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM
        methods: dict[str, tuple[Method, Cardinality]] = {
            "FetchJWTSVID": (self._fetch_jwt_svid, unary),
            "FetchJWTBundles": (self._fetch_jwt_bundles, stream),
            "ValidateJWTSVID": (self._validate_jwt_svid, unary),
            "FetchX509SVID": (_unsupported, stream),
            "FetchX509Bundles": (_unsupported, stream),
        }
        return {
            _SERVICE + name: Handler(self._guard(name, method), cardinality, bytes, bytes)
            for name, (method, cardinality) in methods.items()
        }

    def _guard(self, name: str, method: Method) -> Method:
        """Require the security header, and turn whatever is raised into a status."""
        count = self._metrics.count

        async def guarded(stream: ServerStream) -> None:
            try:
                if stream.metadata is None or stream.metadata.getall(_SECURITY_HEADER, ()) != ["true"]:
                    raise GRPCError(Status.INVALID_ARGUMENT, "the metadata workload.spiffe.io: true is missing")  # noqa: TRY301 - one place for every refusal
                await method(stream)
            except GRPCError as error:
                count(name, error.status.name.lower())
                raise
            except RemitError as error:
                refusal = as_grpc(error)
                count(name, refusal.status.name.lower())
                raise refusal from error
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # The edge: a mistake of ours must not end the connection, nor show its insides to the caller.
                count(name, "internal")
                _log.exception("call failed", method=name)
                raise GRPCError(Status.INTERNAL, "the sidecar failed; its log says why") from error
            count(name, "ok")

        return guarded

    async def _fetch_jwt_svid(self, stream: ServerStream) -> None:
        audiences, spiffe_id = decode_jwt_svid_request(await receive(stream))
        caller = await self._caller(stream)
        request = self._request(audiences, spiffe_id)
        answer = self._tokens.cached(caller.evidence, request)
        if answer is None:
            answer = await self._tokens.fetch(caller.evidence, request)
            caller.recheck()
        if answer.replies.grpc is None:
            raise GRPCError(
                Status.PERMISSION_DENIED, "tokens of this agent are bound to its key: this API cannot prove possession"
            )
        await reply(stream, answer.replies.grpc)

    async def _fetch_jwt_bundles(self, stream: ServerStream) -> None:
        await receive(stream)
        async with self._streams.open(transport_of(stream)) as watch:
            async for trust_domain, jwks in self._bundles.states(watch):
                await stream.send_message(encode_bundles({f"spiffe://{trust_domain}": jwks}))

    async def _validate_jwt_svid(self, stream: ServerStream) -> None:
        audience, token = decode_validate_request(await receive(stream))
        if not audience or not token:
            raise GRPCError(Status.INVALID_ARGUMENT, "audience and svid are required")
        await self._caller(stream)
        try:
            spiffe_id, claims = self._validator.validate(token, audience)
        except StaleError:
            raise
        except RefusedError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, f"{error.code}: {error}") from error
        await reply(stream, encode_validated(spiffe_id, claims))

    async def _caller(self, stream: ServerStream) -> Caller:
        return await self._callers.of(transport_of(stream))

    def _request(self, audiences: list[str], spiffe_id: str) -> TokenRequest:
        if not audiences or not all(audiences):
            raise GRPCError(Status.INVALID_ARGUMENT, "audience is required, and may not be empty")
        if len(audiences) != 1:
            raise GRPCError(
                Status.INVALID_ARGUMENT, "an agent token is for one audience: ask for each audience on its own"
            )
        if not spiffe_id:
            return TokenRequest(audiences[0])
        return TokenRequest(audiences[0], agent=_agent_of(spiffe_id, self._bundles.trust_domain))


def _agent_of(spiffe_id: str, trust_domain: TrustDomain | None) -> str:
    try:
        parsed = SPIFFEID.parse(spiffe_id)
    except InvalidInputError as error:
        raise GRPCError(Status.INVALID_ARGUMENT, f"spiffe_id is refused: {error.detail}") from error
    if parsed.trust_domain != trust_domain:
        raise GRPCError(Status.PERMISSION_DENIED, "no identity of that trust domain is served here")
    try:
        return str(AgentName.from_spiffe_id(parsed))
    except InvalidInputError as error:
        raise GRPCError(Status.PERMISSION_DENIED, "that is not an agent's SPIFFE ID") from error


async def _unsupported(stream: ServerStream) -> None:  # noqa: ARG001 - a method's signature
    raise GRPCError(Status.UNIMPLEMENTED, "this sidecar serves the JWT-SVID profile only")
