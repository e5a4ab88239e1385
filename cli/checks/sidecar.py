"""The sidecar on this machine: its sockets, who it takes us for, and the Workload API through an unmodified client."""

import os
from collections.abc import Iterator

from spiffe import WorkloadApiClient
from spiffe.errors import PySpiffeError

from cli.checks.finding import Finding
from cli.launch.registration import Sockets
from remit.client import Client
from remit.errors import RemitError

_TIMEOUT_SECONDS = 5


def check(sockets: Sockets) -> Iterator[Finding]:
    """Sockets, identity, Workload API."""
    if not sockets.remit.exists():
        yield Finding.warn(
            "sidecar", f"no socket at {sockets.remit}", "run `remit sidecar run`, or name its folder with --socket-dir"
        )
        return
    if not os.access(sockets.remit, os.W_OK):
        yield Finding.fail(
            "sidecar", f"{sockets.remit} cannot be opened by this user", "check its mode and its folder's"
        )
        return
    yield _identity(sockets)
    yield _workload_api(sockets)


def _identity(sockets: Sockets) -> Finding:
    try:
        agents = Client(str(sockets.remit)).identity().agents
    except RemitError as error:
        hint = error.hint or "no registration entry matches this process"
        return Finding.warn("identity", f"this process is no agent: {error.detail}", hint)
    return Finding.ok("identity", f"this process may be {', '.join(map(str, agents))}")


def _workload_api(sockets: Sockets) -> Finding:
    try:
        with WorkloadApiClient(f"unix://{sockets.workload}") as client:
            bundles = client.fetch_jwt_bundles(timeout=_TIMEOUT_SECONDS)
    except PySpiffeError as error:
        return Finding.warn(
            "workload api", str(error).lower(), "an agent is answered; a process without an entry is not"
        )
    return Finding.ok("workload api", f"py-spiffe got the bundles of {len(bundles.bundles)} trust domains")
