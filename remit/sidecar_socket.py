"""The sidecar's HTTP socket as an agent sees it: where it is, and one JSON exchange over it."""

import http.client
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from remit.errors import (
    ConfigurationError,
    InvalidInputError,
    RefusedError,
    RemitError,
    ScopeRefusedError,
    UnavailableError,
)
from remit.jose import strict_json
from remit.reasons import reason_of

MAX_ANSWER_BYTES: Final = 1 << 20
SOCKET_NAME: Final = "remit.sock"


def find_socket(explicit: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> str:
    """The path of the sidecar's HTTP socket.

    In this order: `explicit`; `REMIT_SIDECAR_SOCKET`; `remit.sock` beside the Workload API that `SPIFFE_ENDPOINT_SOCKET`
    names. The variables hold a path or a `unix:` URI (SPIFFE Workload Endpoint section 4).

    Raises:
        ConfigurationError: none of them is there, or one is no absolute path of a Unix socket.
    """
    if explicit is not None:
        return _unix_path(os.fspath(explicit), "socket")
    if own := environ.get("REMIT_SIDECAR_SOCKET"):
        return _unix_path(own, "REMIT_SIDECAR_SOCKET")
    if workload := environ.get("SPIFFE_ENDPOINT_SOCKET"):
        return str(Path(_unix_path(workload, "SPIFFE_ENDPOINT_SOCKET")).with_name(SOCKET_NAME))
    raise ConfigurationError(
        "no sidecar: neither REMIT_SIDECAR_SOCKET nor SPIFFE_ENDPOINT_SOCKET is set",
        hint="start the agent with `remit run`, or set REMIT_SIDECAR_SOCKET",
    )


def exchange(path: str, method: str, target: str, body: object, *, timeout_seconds: float) -> object:
    """Send one request over the socket at `path` and return the JSON of its answer.

    Args:
        path: the Unix socket.
        method: the HTTP method.
        target: the path of the request.
        body: what to send as JSON, or None for nothing.
        timeout_seconds: how long any one step may take.

    Raises:
        RefusedError: the sidecar or the issuer said no; `code`, `detail` and `hint` are theirs.
        UnavailableError: there was no answer, not in time, or none that makes sense.
    """
    connection = _UnixConnection(path, timeout_seconds)
    content = None if body is None else msgspec.json.encode(body)
    try:
        connection.request(method, target, content, {"Content-Type": "application/json"} if content else {})
        response = connection.getresponse()
        answer = strict_json(response.read(MAX_ANSWER_BYTES + 1), max_bytes=MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, InvalidInputError) as error:
        hint = f"is the sidecar running, with its socket at {path}?"
        raise UnavailableError(f"no answer from the sidecar: {reason_of(error)}", hint=hint) from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise _error_of(response.status, answer)
    return answer


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _unix_path(text: str, source: str) -> str:
    url = urlsplit(text)
    path = url.path if url.scheme == "unix" and not url.netloc else text
    if not Path(path).is_absolute():
        hint = "write it as unix:///run/remit/workload.sock"
        raise ConfigurationError(f"{source} is no absolute path of a unix socket: {text[:128]!r}", hint=hint)
    return path


def _error_of(status: int, answer: object) -> RemitError:
    """The error that a problem document (RFC 9457) stands for."""
    problem = answer if isinstance(answer, dict) else {}
    code, detail, hint = (problem.get(name) for name in ("code", "detail", "hint"))
    code = code if isinstance(code, str) else None
    kind: type[RemitError] = ScopeRefusedError if code == "scope_too_wide" else RefusedError
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = UnavailableError
    text = detail if isinstance(detail, str) else f"the sidecar answered with status {status}"
    return kind(text, code=code, hint=hint if isinstance(hint, str) else None)
