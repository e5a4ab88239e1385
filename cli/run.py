"""`remit run`: launch an agent so that its entry script and its launcher are attested."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.errors import report
from cli.launch import signals
from cli.launch.child import LaunchError, Program, fork_waiting
from cli.launch.program import find_program
from cli.launch.registration import Assignment, Launched, SidecarClient, Sockets
from cli.launch.supervise import supervise
from cli.names import agent_named
from cli.options import examples
from cli.output import note
from cli.problems import ProblemError
from remit.errors import InvalidInputError, UnavailableError
from remit.ids import check_task

app = typer.Typer(add_completion=False)

_COMPLETION_SECONDS = 5.0
_NOT_COMPLETED: Final = {
    "running": "known to be complete: the sidecar has not noticed yet that the program ended",
    "pending": "known to be complete: the issuer does not answer; the sidecar goes on trying",
    "refused": "completed: the program was not the agent, or the issuer refused; see the sidecar's log",
}

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
        "remit run --agent acme/planner --task task-81 --task-ttl 3600 -- python agent.py",
        "remit run --agent acme/planner --socket-dir /run/remit -- python -m planner",
    ),
)
def run(
    command: Command,
    agent: Annotated[
        str, typer.Option(help="The agent that it is to be; it gets no other identity.", show_default=False)
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="The task that it works for; what is granted for it ends with the program.", show_default=False
        ),
    ] = None,
    task_ttl: Annotated[
        int | None,
        typer.Option(min=1, metavar="SECONDS", help="How long the task may last at most.", show_default=False),
    ] = None,
    socket_dir: SocketDir = None,
) -> None:
    """Launch an agent so that its entry script and its launcher are attested; its exit code is passed on.

    With a task, the sidecar completes it when the program has ended, also if nothing is left to say so.
    """
    sockets = Sockets.find(socket_dir)
    assignment = _assignment(agent, task, task_ttl)
    signals.block()
    try:
        program = find_program(command, {**os.environ, **sockets.environment()})
        launched = launch(program, assignment, sockets)
    except LaunchError as error:
        report(error.detail, error.hint)
        raise typer.Exit(error.exit_code) from None
    code = supervise(launched.pid)
    if task is not None and launched.launch is not None:
        _tell_unless_completed(task, launched.launch, sockets)
    raise typer.Exit(code)


def launch(program: Program, assignment: Assignment, sockets: Sockets, *, process_group: int | None = None) -> Launched:
    """Fork, register at the sidecar, exec; returns once the child runs and the sidecar knows.

    Raises:
        LaunchError: the program cannot be executed.
        RemitError: the sidecar does not answer, or refuses; nothing has run.
    """
    child = fork_waiting(program, process_group=process_group)
    with SidecarClient(sockets.remit) as sidecar:
        try:
            registered = sidecar.register(child.pid, program, assignment)
        except BaseException:
            child.abandon()
            raise
        child.release()
        try:
            sidecar.started(registered)
        except ProblemError as error:
            _tell_unless_ended(child.pid, error)
            return Launched(child.pid, None)
    return Launched(child.pid, registered)


def _assignment(agent: str, task: str | None, task_ttl: int | None) -> Assignment:
    if task_ttl is not None and task is None:
        raise InvalidInputError("--task-ttl without a task", hint="name the task with --task")
    return Assignment(agent_named(agent), None if task is None else check_task(task), task_ttl)


def _tell_unless_ended(pid: int, error: ProblemError) -> None:
    """Say that a running program is not attested; one that has ended already needs no attesting."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        note(f"remit: the program runs without its launch being attested: {error.detail}")


def _tell_unless_completed(task: str, launch_id: str, sockets: Sockets) -> None:
    """Wait a moment for the task's end, and say so when it could not be confirmed; the sidecar goes on without us."""
    try:
        with SidecarClient(sockets.remit) as sidecar:
            state = sidecar.task_state(launch_id, _COMPLETION_SECONDS)
    except (ProblemError, UnavailableError) as error:
        note(f"remit: task {task} is not known to be complete: {error.detail}")
        return
    if state in _NOT_COMPLETED:
        note(f"remit: task {task} is not {_NOT_COMPLETED[state]}")
