"""`remit dev`: run a program as an agent, in a trust domain that is gone when it ends."""

import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.dev import domain, registration
from cli.dev.front import Front, cleaned_up, stand_in_front
from cli.dev.processes import Process
from cli.errors import report
from cli.launch import signals
from cli.launch.child import LaunchError
from cli.launch.program import find_program
from cli.launch.registration import Assignment
from cli.launch.supervise import reaped
from cli.options import examples
from cli.output import note
from cli.run import launch
from cli.spend_scope import read_scope
from remit.ids import AgentName
from remit.scope import SpendScope

app = typer.Typer(add_completion=False)

_AUDIENCE = "https://api.example.com"

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CMD", help="The program and its arguments, after `--`.", show_default="print the exports and stay"
    ),
]
ScopeFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with the agent_spend object of its grant.", show_default="any location, 100.00 USD daily"
    ),
]

Audiences = Annotated[
    list[str] | None,
    typer.Option(
        "--audience",
        help="An audience of the provider that the program's verifiers belong to; several times for several.",
        show_default=_AUDIENCE,
    ),
]

_GRACE_SECONDS = 5.0
_GRACE_WITHOUT_FRONT_SECONDS = 0.5


@app.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "remit dev -- python agent.py",
        "remit dev --agent acme/planner --scope scope.json -- pytest tests/",
        "remit dev -- bash",
        "remit dev",
    ),
)
def dev(
    command: Command = None,
    agent: Annotated[str, typer.Option(help="The agent that the program is.")] = "acme/planner",
    scope: ScopeFile = None,
    audience: Audiences = None,
) -> None:
    """Run a program as an agent, in a trust domain of its own that is gone when the program ends.

    Its environment has SPIFFE_ENDPOINT_SOCKET, REMIT_SIDECAR_SOCKET, REMIT_ISSUER, REMIT_TRUST_DOMAIN, REMIT_CREDENTIALS, by which a
    bare `remit` in it acts as the operator, and REMIT_PROVIDER_CREDENTIAL, by which its verifiers are those of the provider `dev`. Not for production: everything of your uid counts as the agent.
    """
    named = AgentName.parse(agent)
    spend = SpendScope.parse(read_scope(scope)) if scope else registration.default_scope()
    front = stand_in_front()
    with cleaned_up(front) as expendable:
        began = time.monotonic()
        running, processes = domain.start(front.folder, named, spend, audience or [_AUDIENCE])
        expendable.extend(process.pid for process in processes)
        note(f"remit dev: {named} at {running.issuer}, ready in {time.monotonic() - began:.1f} s")
        note("remit dev: every process of your uid, children of the program too, counts as the agent; only in dev")
        if not command:
            _print_exports(running)
            code = _stay(processes)
        else:
            code = _run(command, named, running, front, processes)
    raise typer.Exit(code)


def _print_exports(running: domain.Domain) -> None:
    for name, value in running.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    note("remit dev: Ctrl-C ends it")


def _stay(processes: list[Process]) -> int:
    """Wait until somebody wants it to end."""
    while True:
        event = signals.next_event()
        if event is None or event.number is not signal.SIGCHLD:
            return 0
        for process in processes:
            process.raise_if_ended()


def _run(command: list[str], agent: AgentName, running: domain.Domain, front: Front, processes: list[Process]) -> int:
    environment = {**os.environ, **running.environment(), "PATH": _path(front.folder)}
    try:
        program = find_program(command, environment)
        child = launch(program, Assignment(agent), running.sockets, process_group=front.process_group)
    except LaunchError as error:
        report(error.detail, error.hint)
        return error.exit_code
    return _supervise(child.pid, front, processes)


def _supervise(pid: int, front: Front, processes: list[Process]) -> int:
    """Wait for CMD; once asked to end, give it a grace and then no more."""
    deadline: float | None = None
    watched = list(processes)
    while True:
        event = signals.next_event(None if deadline is None else deadline - time.monotonic())
        if event is None:
            os.kill(pid, signal.SIGKILL)
            deadline = None
        elif event.number is signal.SIGCHLD:
            code = reaped(pid)
            if code is not None:
                return code
            watched = _still_running(watched)
        elif event.number != signal.SIGRTMIN:
            os.kill(pid, event.number)
            deadline = deadline or time.monotonic() + (
                _GRACE_WITHOUT_FRONT_SECONDS if front.is_gone() else _GRACE_SECONDS
            )


def _still_running(processes: list[Process]) -> list[Process]:
    left = []
    for process in processes:
        code = process.exit_code()
        if code is None:
            left.append(process)
        else:
            note(f"remit dev: {process.name} ended with exit code {code}: {process.last_words()}")
    return left


def _path(folder: Path) -> str:
    """The PATH of CMD: a bare `remit` is this one, everything else is found as before."""
    path = os.environ.get("PATH", os.defpath)
    ours = Path(sys.executable).with_name("remit")
    found = shutil.which("remit", path=path)
    if not ours.exists() or (found and Path(found).resolve() == ours.resolve()):
        return path
    binaries = folder / "bin"
    binaries.mkdir()
    (binaries / "remit").symlink_to(ours)
    return os.pathsep.join([str(binaries), path, str(ours.parent)])
