"""What the sidecar raises beside the library's own tree.

    RemitError
    ├── UnavailableError
    │   ├── OverloadedError        more is waiting than will be answered in time
    │   └── ExpelledError          the issuer does not accept this sidecar any more
    └── RefusedError
        └── IssuerRefusedError     the issuer said no, with its own stable code

`workload_api/status.py` and `problems.py` map them to gRPC and HTTP; nothing else knows of either.
"""

from remit.errors import RefusedError, UnavailableError


class OverloadedError(UnavailableError):
    """More requests wait than will be answered in time; try again with a backoff."""

    default_code = "overloaded"


class ExpelledError(UnavailableError):
    """The issuer takes no session and no key of this sidecar; `code` is the issuer's. It has to join again."""


class IssuerRefusedError(RefusedError):
    """The issuer refused; `code` and `detail` are its own words (RFC 9457).

    Attributes:
        status: the HTTP status of its answer, 4xx.
    """

    def __init__(self, detail: str, *, code: str, status: int, hint: str | None = None) -> None:
        super().__init__(detail, code=code, hint=hint)
        self.status = status
