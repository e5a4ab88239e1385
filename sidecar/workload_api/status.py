"""gRPC status codes for what the sidecar raises (SPIFFE Workload Endpoint, section 6 and appendix A).

InvalidArgument    the request is wrong, trying again is of no use
PermissionDenied   there is no identity for this caller, or not the one it asked for
Unavailable        not now; try again with a backoff
Unimplemented      the X.509 profile
"""

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from remit.errors import InvalidInputError, RefusedError, RemitError, StaleError, UnavailableError

_MALFORMED = frozenset({"malformed_request", "body_too_large", "unsupported_media_type"})


def as_grpc(error: RemitError) -> GRPCError:
    """The status that tells a Workload API client what to do."""
    return GRPCError(_status_of(error), f"{error.code}: {error}")


def _status_of(error: RemitError) -> Status:
    if isinstance(error, UnavailableError | StaleError):
        return Status.UNAVAILABLE
    if isinstance(error, InvalidInputError) or error.code in _MALFORMED:
        return Status.INVALID_ARGUMENT
    if isinstance(error, RefusedError):
        return Status.PERMISSION_DENIED
    return Status.UNAVAILABLE
