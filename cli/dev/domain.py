"""A whole trust domain in one folder: issuer on SQLite, sidecar joined, one agent that may spend."""

import errno
import os
import random
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.credentials import Credentials
from cli.dev.processes import Process, StartError, wait_until
from cli.issuer_client import ADMIN, IssuerClient
from cli.launch.registration import Sockets
from cli.programs import python_module
from remit.amounts import Amount
from remit.errors import UnavailableError
from remit.ids import AgentName
from remit.limits import Interval, SpendLimit
from remit.scope import SpendScope

TRUST_DOMAIN = "dev.test"

_SIDECAR = "dev"
_PORTS = range(20_000, 32_000)
"""Below what the kernel gives to outgoing connections (ip_local_port_range), so that nobody takes it meanwhile."""


def default_scope() -> SpendScope:
    """What the agent may do unless `--scope` says otherwise: any location, 100.00 USD a day."""
    return SpendScope(spend_limits=(SpendLimit(Amount.parse("100.00 USD"), Interval.DAILY),))


@dataclass(frozen=True, slots=True)
class Domain:
    """Where everything of one development trust domain is.

    Attributes:
        folder: the temporary folder, mode 0700.
        port: where the issuer listens on loopback.
    """

    folder: Path
    port: int

    @property
    def issuer(self) -> str:
        """The issuer's URL."""
        return f"http://localhost:{self.port}"

    @property
    def data(self) -> Path:
        """The issuer's data folder."""
        return self.folder / "issuer"

    @property
    def credentials(self) -> Path:
        """The operator's credential file."""
        return self.data / "operator.json"

    @property
    def sockets(self) -> Sockets:
        """The sidecar's sockets."""
        return Sockets(self.folder / "run")

    @property
    def join_token(self) -> Path:
        """A named pipe through which the sidecar gets its join token."""
        return self.folder / "join-token"

    def environment(self) -> dict[str, str]:
        """What a program needs to find the issuer and the sidecar, and to act as the operator."""
        return {
            **self.sockets.environment(),
            "REMIT_ISSUER": self.issuer,
            "REMIT_TRUST_DOMAIN": TRUST_DOMAIN,
            "REMIT_CREDENTIALS": str(self.credentials),
        }


def start(folder: Path, agent: AgentName, scope: SpendScope) -> tuple[Domain, list[Process]]:
    """Start and register everything; returns once the agent could get a credential.

    Raises:
        StartError: a part did not start.
        RemitError: the issuer refused the registration.
        typer.Exit: it was interrupted.
    """
    domain = Domain(folder, _free_port())
    _make_data(domain)
    environment = _own_environment()
    issuer = Process.start(
        "the issuer",
        python_module("issuer", "--config", str(domain.data / "remit.toml")),
        {**environment, "REMIT_KEYS__PREPARE_SECONDS": "2"},
        folder / "issuer.log",
    )
    sidecar, ready = _start_sidecar(domain, environment)
    with os.fdopen(ready, "rb") as told:
        _register(domain, agent, scope, [sidecar, issuer])
        os.set_blocking(ready, False)
        wait_until(lambda: bool(told.read(1)), [issuer, sidecar], "the sidecar")
    return domain, [issuer, sidecar]


def _make_data(domain: Domain) -> None:
    arguments = ("init", str(domain.data), "--trust-domain", TRUST_DOMAIN)
    where = ("--listen", f"127.0.0.1:{domain.port}", "--public-url", domain.issuer)
    log = domain.folder / "init.log"
    making = Process.start("issuer init", python_module("issuer", *arguments, *where), _own_environment(), log)
    code: list[int] = []

    def ended() -> bool:
        found = making.exit_code()
        code.extend(() if found is None else (found,))
        return found is not None

    wait_until(ended, [], "issuer init")
    if code != [0]:
        raise StartError(f"issuer init failed: {making.last_words()}")


def _start_sidecar(domain: Domain, environment: Mapping[str, str]) -> tuple[Process, int]:
    """Start the sidecar beside the issuer: while both load, it waits on the pipe for its join token."""
    os.mkfifo(domain.join_token, 0o600)
    ready, tell = os.pipe()
    os.set_inheritable(tell, True)
    arguments = {
        "--issuer": domain.issuer,
        "--state-dir": domain.folder / "sidecar",
        "--socket-dir": domain.sockets.folder,
        "--join-token-file": domain.join_token,
        "--ready-fd": tell,
    }
    command = python_module("sidecar", *(str(word) for pair in arguments.items() for word in pair))
    sidecar = Process.start("the sidecar", command, environment, domain.folder / "sidecar.log")
    os.close(tell)
    return sidecar, ready


def _register(domain: Domain, agent: AgentName, scope: SpendScope, processes: list[Process]) -> None:
    operator = msgspec.json.decode(domain.credentials.read_bytes(), type=Credentials)
    with IssuerClient(domain.issuer, operator.token) as issuer:
        wait_until(lambda: _is_ready(issuer), processes, "the issuer")
        token = issuer.post(f"{ADMIN}/join-tokens", {"sidecar": _SIDECAR})["token"]
        wait_until(lambda: _hand_over(domain.join_token, str(token)), processes, "the sidecar")
        issuer.post(f"{ADMIN}/import", {"records": _records(agent, scope)})


def _records(agent: AgentName, scope: SpendScope) -> list[dict[str, object]]:
    """The account, the agent with those above it, its entry by uid, and its standing grant."""
    line = [agent]
    while (parent := line[0].parent) is not None:
        line.insert(0, parent)
    agents: list[dict[str, object]] = [{"kind": "agent", "agent": str(one)} for one in line]
    return [
        {"kind": "account", "name": agent.account, "owner": "remit dev"},
        *agents,
        {"kind": "entry", "agent": str(agent), "sidecar": _SIDECAR, "selectors": [f"unix:uid:{os.getuid()}"]},
        {"kind": "grant", "agent": str(agent), "scope": scope.to_wire()},
    ]


def _is_ready(issuer: IssuerClient) -> bool:
    try:
        issuer.get("/healthz/ready")
    except UnavailableError:
        return False
    return True


def _hand_over(pipe: Path, token: str) -> bool:
    """Write the token into the named pipe; False while nobody reads there yet (ENXIO)."""
    with suppress(OSError):
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, f"{token}\n".encode())
        os.close(descriptor)
        return True
    return False


def _own_environment() -> dict[str, str]:
    """Our environment without any setting of Remit: the caller's issuer must not configure this one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}


def _free_port() -> int:
    for port in random.sample(_PORTS, 64):
        if all(_is_free(family, host, port) for family, host in _loopbacks()):
            return port
    raise StartError("found no free port on loopback")


def _loopbacks() -> list[tuple[socket.AddressFamily, str]]:
    return [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if socket.has_ipv6 else [])]


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return family is socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True
