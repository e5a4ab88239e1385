"""`remit run`: launch an agent so that its entry script and its launcher are attested."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import report
from cli.launch import signals
from cli.launch.child import LaunchError, Program, WaitingChild, fork_waiting
from cli.launch.program import find_program
from cli.launch.registration import SidecarClient, Sockets
from cli.launch.supervise import supervise
from cli.names import agent_named
from cli.options import examples
from cli.output import note
from cli.problems import ProblemError
from remit.ids import AgentName

app = typer.Typer(add_completion=False)

Command = Annotated[
    list[str], typer.Argument(metavar="CMD", help="The program and its arguments, after `--`.", show_default=False)
]
SocketDir = Annotated[
    Path | None,
    typer.Option(help="Where the sidecar's sockets are.", show_default="that of REMIT_SIDECAR_SOCKET, else /run/remit"),
]


@app.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "remit run --agent acme/planner -- python agent.py --verbose",
        "remit run --agent acme/planner --socket-dir /run/remit -- python -m planner",
    ),
)
def run(
    command: Command,
    agent: Annotated[
        str, typer.Option(help="The agent that it is to be; it gets no other identity.", show_default=False)
    ],
    socket_dir: SocketDir = None,
) -> None:
    """Launch an agent so that its entry script and its launcher are attested; its exit code is passed on."""
    sockets = Sockets.find(socket_dir)
    named = agent_named(agent)
    signals.block()
    try:
        program = find_program(command, {**os.environ, **sockets.environment()})
        child = launch(program, named, sockets)
    except LaunchError as error:
        report(error.detail, error.hint)
        raise typer.Exit(error.exit_code) from None
    raise typer.Exit(supervise(child.pid))


def launch(program: Program, agent: AgentName, sockets: Sockets, *, process_group: int | None = None) -> WaitingChild:
    """Fork, register at the sidecar, exec; returns the child once it runs and the sidecar knows.

    Raises:
        LaunchError: the program cannot be executed.
        RemitError: the sidecar does not answer, or refuses; nothing has run.
    """
    child = fork_waiting(program, process_group=process_group)
    with SidecarClient(sockets.remit) as sidecar:
        try:
            registered = sidecar.register(child.pid, program, agent)
        except BaseException:
            child.abandon()
            raise
        child.release()
        try:
            sidecar.started(registered)
        except ProblemError as error:
            _tell_unless_ended(child.pid, error)
    return child


def _tell_unless_ended(pid: int, error: ProblemError) -> None:
    """Say that a running program is not attested; one that has ended already needs no attesting."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        note(f"remit: the program runs without its launch being attested: {error.detail}")
