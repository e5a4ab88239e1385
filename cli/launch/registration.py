"""Telling the sidecar what is launched: `POST /v1/launches` before exec, `…/started` after it; `…/task` once it has ended."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from cli.launch.child import Program
from cli.problems import JSONObject, parse_answer
from remit.errors import UnavailableError
from remit.ids import AgentName

WORKLOAD_SOCKET = "workload.sock"
REMIT_SOCKET = "remit.sock"
DEFAULT_SOCKET_DIR = Path("/run/remit")

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a launched program is to be.

    Attributes:
        agent: the one agent that it acts as.
        task: the task that it works for, and that ends with it.
        task_ttl_seconds: how long that task may last at most.
    """

    agent: AgentName
    task: str | None = None
    task_ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    """A program that runs.

    Attributes:
        pid: its process.
        launch: the id of its launch; None when the sidecar does not attest it.
    """

    pid: int
    launch: str | None


@dataclass(frozen=True, slots=True)
class Sockets:
    """The folder in which a sidecar serves."""

    folder: Path

    @classmethod
    def find(cls, folder: Path | None) -> Self:
        """The folder that was named, else that of REMIT_SIDECAR_SOCKET, else `/run/remit`."""
        named = os.environ.get("REMIT_SIDECAR_SOCKET")
        return cls((folder or (Path(named).parent if named else DEFAULT_SOCKET_DIR)).absolute())

    @property
    def remit(self) -> Path:
        """The socket of Remit's own HTTP API."""
        return self.folder / REMIT_SOCKET

    @property
    def workload(self) -> Path:
        """The socket of the SPIFFE Workload API."""
        return self.folder / WORKLOAD_SOCKET

    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to find both."""
        return {"SPIFFE_ENDPOINT_SOCKET": f"unix://{self.workload}", "REMIT_SIDECAR_SOCKET": str(self.remit)}


class SidecarClient:
    """HTTP to the sidecar's own socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        transport = httpx.HTTPTransport(uds=str(socket))
        self._http = httpx.Client(base_url="http://sidecar", transport=transport, timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def register(self, pid: int, program: Program, assignment: Assignment) -> str:
        """Register the child `pid`, which is about to become `program`; returns the launch's id."""
        told = {
            "pid": pid,
            "argv": list(program.arguments),
            "executable": program.executable,
            "agent": str(assignment.agent),
            "task": assignment.task,
            "task_ttl_seconds": assignment.task_ttl_seconds,
            "script": program.script,
        }
        body = {name: value for name, value in told.items() if value is not None}
        return str(self._ask("POST", "/v1/launches", body)["id"])

    def started(self, launch: str) -> None:
        """Tell that exec succeeded: from now on the child is the program."""
        self._ask("POST", f"/v1/launches/{launch}/started", {})

    def task_state(self, launch: str, wait_seconds: float) -> str:
        """How it stands with the launch's task; waits for the issuer to confirm its end, for so long at most."""
        return str(self._ask("GET", f"/v1/launches/{launch}/task?wait_seconds={wait_seconds:g}", None)["state"])

    def _ask(self, method: str, path: str, body: JSONObject | None) -> JSONObject:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise UnavailableError(
                f"no sidecar answers at {self._socket}: {str(error).lower() or type(error).__name__}",
                hint="is it running, and is --socket-dir (or REMIT_SIDECAR_SOCKET) right?",
            ) from None
        return parse_answer(response.status_code, response.content, f"the sidecar at {self._socket}")
