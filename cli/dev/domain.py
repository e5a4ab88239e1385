"""A whole trust domain in one folder: an issuer on SQLite, a sidecar that has joined, one agent that may spend."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from cli.credentials import Credentials
from cli.dev import registration
from cli.dev.ports import free_port
from cli.dev.processes import Process, wait_until
from cli.issuer_client import IssuerClient
from cli.launch.registration import Sockets
from remit.ids import AgentName
from remit.scope import SpendScope

TRUST_DOMAIN = "dev.test"

_FOR_QUICK_FEEDBACK = {"REMIT_KEYS__PREPARE_SECONDS": "2", "REMIT_KEYS__REFRESH_HINT_SECONDS": "1"}
_STATUS_POLL_SECONDS = 0.2
"""Less than a command takes to start: what was revoked by one is refused to the next."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where everything of one development trust domain is.

    Attributes:
        folder: the temporary folder, mode 0700.
        port: where the issuer listens on loopback.
        provider_credential: the credential of its one provider, once that is registered.
    """

    folder: Path
    port: int
    provider_credential: str = field(default="", repr=False)

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
        """What a program needs to find the issuer and the sidecar, to act as the operator, and to verify as the provider."""
        return {
            **self.sockets.environment(),
            "REMIT_ISSUER": self.issuer,
            "REMIT_TRUST_DOMAIN": TRUST_DOMAIN,
            "REMIT_CREDENTIALS": str(self.credentials),
            "REMIT_PROVIDER_CREDENTIAL": self.provider_credential,
        }


def start(folder: Path, agent: AgentName, scope: SpendScope, audiences: Sequence[str]) -> tuple[Domain, list[Process]]:
    """Start and register everything; returns once the agent could get a credential.

    Both are started at once: while the issuer makes its data and loads, the sidecar loads too and waits for its join token.

    Raises:
        StartError: a part did not start.
        RemitError: the issuer refused the registration.
        typer.Exit: it was interrupted.
    """
    domain = Domain(folder, free_port())
    environment = _own_environment()
    issuer = _start_issuer(domain, environment)
    sidecar = _start_sidecar(domain, environment)
    processes = [issuer, sidecar]
    wait_until(issuer.has_announced, processes, "the issuer")
    operator = msgspec.json.decode(domain.credentials.read_bytes(), type=Credentials)
    with IssuerClient(domain.issuer, operator.token) as client:
        token = registration.create_join_token(client)
        wait_until(lambda: _hand_over(domain.join_token, token), processes, "the sidecar")
        registration.register(client, agent, scope)
        domain = replace(domain, provider_credential=registration.create_provider(client, audiences))
    wait_until(sidecar.has_announced, processes, "the sidecar")
    return domain, processes


def _start_issuer(domain: Domain, environment: Mapping[str, str]) -> Process:
    """Start the issuer, which makes its data folder and goes on to serve."""
    what = ("init", str(domain.data), "--serve", "--trust-domain", TRUST_DOMAIN)
    where = ("--listen", f"127.0.0.1:{domain.port}", "--public-url", domain.issuer)
    settings = {**environment, **_FOR_QUICK_FEEDBACK}
    return Process.start("the issuer", "issuer", (*what, *where), settings, domain.folder / "issuer.log")


def _start_sidecar(domain: Domain, environment: Mapping[str, str]) -> Process:
    os.mkfifo(domain.join_token, 0o600)
    arguments = {
        "--issuer": domain.issuer,
        "--state-dir": domain.folder / "sidecar",
        "--socket-dir": domain.sockets.folder,
        "--join-token-file": domain.join_token,
        "--status-poll-seconds": _STATUS_POLL_SECONDS,
    }
    words = [str(word) for pair in arguments.items() for word in pair]
    return Process.start("the sidecar", "sidecar", words, environment, domain.folder / "sidecar.log")


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
