"""What launchers say about the processes that they started, and for how long it holds.

A launcher (`remit run`) forks, registers the child while the child waits, lets it `execve`, and reports that it started.
Then the launch names one process *and one program image* of it:

    register  the caller is the child's parent, of the same uid or root; the script is hashed as the child sees it,
              and only if the launcher may read it
    started   the child runs the declared executable with the declared arguments; its image is remembered, and its task, if
              it was launched for one, is on disk (`sidecar.tasks`)
    facts     hold while exactly that image runs; any `execve`, also of the same interpreter, ends them for good

Forked children and shells are other processes: they have no launch. Between `register` and `started` a caller with that
pid waits, so that it is never answered as somebody it was not launched to be.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from attestors.cgroups import is_plain
from attestors.errors import ProcessRefusedError
from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle
from attestors.process import LaunchEvidence
from remit.errors import InvalidInputError, RemitError, UnavailableError
from remit.ids import AgentName, check_task
from sidecar.child_files import FileVersion, read_script, version_of
from sidecar.errors import OverloadedError
from sidecar.evidence import LaunchFacts, observe
from sidecar.file_rights import FileRights
from sidecar.lanes import Lanes
from sidecar.shares import Shares
from sidecar.task_records import TaskRecord

_START_SECONDS = 30.0
_WAIT_SECONDS = 2.0

AbsolutePath = Annotated[str, Meta(pattern=r"\A/[^\x00]*\Z", max_length=4096)]
Argument = Annotated[str, Meta(max_length=65536)]


class LaunchRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a launcher declares before its child executes.

    Attributes:
        pid: the child, in the sidecar's pid namespace.
        executable: the program that will run, absolute; for a script with `#!` that is the interpreter.
        argv: the arguments that it will run with, `argv[0]` included.
        script: the entry script, absolute.
        agent: the agent that it is to be (`acme/planner`); it gets no other.
        task: the task of that agent that it works for; the task ends with it.
        task_ttl_seconds: how long the task may last, if this process opens it.
    """

    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    executable: AbsolutePath
    argv: Annotated[list[Argument], Meta(min_length=1, max_length=4096)]
    script: AbsolutePath | None = None
    agent: Annotated[str, Meta(max_length=1024)] | None = None
    task: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    task_ttl_seconds: Annotated[int, Meta(ge=1, le=2**31)] | None = None


class _Launch:
    """One launch: pending until `image` is set, then true while `image` runs unchanged."""

    def __init__(self, request: LaunchRequest, child: ProcessHandle, facts: LaunchFacts, rights: FileRights) -> None:
        self.id = secrets.token_urlsafe(16)
        self.request = request
        self.child = child
        self.facts = facts
        self.rights = rights
        self.script_version: FileVersion | None = None
        self.image: ProcessHandle | None = None
        self.is_starting = False
        self.settled = asyncio.Event()
        self.deadline = time.monotonic() + _START_SECONDS

    def close(self) -> None:
        self.settled.set()
        self.child.close()
        if self.image is not None:
            self.image.close()


class Launches:
    """The launches of the processes that live now."""

    def __init__(
        self,
        executables: ExecutableReader,
        lanes: Lanes,
        shares: Shares,
        open_task: Callable[[TaskRecord], Awaitable[None]],
    ) -> None:
        """`shares` says how many launches of each user, the launcher's, may live; `open_task` takes note of a task for good."""
        self._executables = executables
        self._lanes = lanes
        self._open_task = open_task
        self._shares = shares
        self._by_process: dict[tuple[int, int], _Launch] = {}
        self._by_id: dict[str, _Launch] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    async def register(self, launcher: ProcessHandle, request: LaunchRequest) -> str:
        """Register the launch of a child that waits to execute; return its id.

        Raises:
            InvalidInputError: `agent` is not an agent's name, `task` not a task's, or there is a task without an agent.
            ProcessRefusedError: `pid` is not a child of the launcher, belongs to somebody else, or a file is not there.
            OverloadedError: that user has too many launches, or too much to look at.
        """
        if request.agent is not None:
            AgentName.parse(request.agent)
        elif request.task is not None:
            raise InvalidInputError("a launch for a task names its agent", code="malformed_request")
        if request.task is not None:
            check_task(request.task)
        if not all(is_plain(path) for path in (request.executable, request.script or "/")):
            raise InvalidInputError("a path of the launch is not printable", code="malformed_request")
        self._drop_overdue()
        if not self._shares.take(launcher.uid):
            raise OverloadedError("too many launches of this user live", hint="wait until some have ended")
        try:
            launch = await self._look(launcher, request)
        except BaseException:
            self._shares.give_back(launcher.uid)
            raise
        self._keep(launch)
        return launch.id

    async def started(self, launcher: ProcessHandle, launch_id: str) -> None:
        """Take note that the child has executed its program.

        Raises:
            InvalidInputError: no launch of that id waits (code `not_found`).
            ProcessRefusedError: the child runs something else than was declared; its launch is dropped.
            UnavailableError: its task cannot be written down; its launch is dropped.
        """
        launch = self._by_id.get(launch_id)
        if launch is None or launch.is_starting or launch.facts.evidence.uid != launcher.uid:
            raise InvalidInputError("no launch of that id waits to start", code="not_found")
        launch.is_starting = True
        try:
            launch.image = await self._started_image(launcher, launch)
        except RemitError:
            self._drop(launch)
            raise
        launch.settled.set()

    async def facts_of(self, process: ProcessHandle) -> LaunchFacts | None:
        """What its launcher said about a process, or None: not launched, or executed something else since.

        Raises:
            UnavailableError: its launcher has not reported yet that it started, and two seconds have passed.
        """
        launch = self._by_process.get(process.identity)
        if launch is None:
            return None
        if launch.image is None:
            await self._wait(launch)
        if launch.image is None:
            return None
        try:
            launch.image.recheck()
            process.recheck()
        except ProcessRefusedError:
            self._drop(launch)
            return None
        return launch.facts

    def close(self) -> None:
        """Forget every launch."""
        for launch in list(self._by_id.values()):
            self._drop(launch)

    async def _started_image(self, launcher: ProcessHandle, launch: _Launch) -> ProcessHandle:
        """Hold the program that the child runs, if it is the declared one and its task, if it has one, is noted."""
        _check_parent(launcher, launch.child)
        image = await self._lanes.run(launcher.uid, partial(_declared_image, launch))
        try:
            if launch.facts.task is not None:
                look = partial(observe, image, self._executables, launch.facts)
                evidence = await self._lanes.run(launcher.uid, look)
                await self._open_task(TaskRecord.of(launch.id, launcher.uid, image, evidence))
        except BaseException:
            image.close()
            raise
        if launch.id not in self._by_id:
            image.close()
            raise ProcessRefusedError("the launched process has ended")
        return image

    async def _wait(self, launch: _Launch) -> None:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await launch.settled.wait()
        except TimeoutError as error:
            raise UnavailableError(
                "the launch of this process is not complete", code="launch_pending", hint="try again with a backoff"
            ) from error

    async def _look(self, launcher: ProcessHandle, request: LaunchRequest) -> _Launch:
        child = ProcessHandle.of_pid(request.pid)
        try:
            _check_parent(launcher, child)
            launch = await self._lanes.run(launcher.uid, partial(self._examine, launcher, child, request))
            _check_parent(launcher, child)
        except BaseException:
            child.close()
            raise
        return launch

    def _examine(self, launcher: ProcessHandle, child: ProcessHandle, request: LaunchRequest) -> _Launch:
        """In a thread: it hashes files."""
        executable = self._executables.read(launcher)
        rights = FileRights.of_process(launcher)
        script = read_script(child, request.script, rights) if request.script is not None else None
        path = executable.path if executable is not None else None
        evidence = LaunchEvidence(
            uid=launcher.uid,
            executable=path if path is not None and is_plain(path) else None,
            agent=request.agent,
            script=request.script,
            script_sha256=script.sha256 if script is not None else None,
        )
        facts = LaunchFacts(evidence, request.task, request.task_ttl_seconds)
        launch = _Launch(request, child, facts, rights)
        launch.script_version = script.version if script is not None else None
        return launch

    def _keep(self, launch: _Launch) -> None:
        earlier = self._by_process.get(launch.child.identity)
        if earlier is not None:
            self._drop(earlier)
        self._by_process[launch.child.identity] = launch
        self._by_id[launch.id] = launch
        asyncio.get_running_loop().add_reader(launch.child.pidfd, self._drop, launch)

    def _drop(self, launch: _Launch) -> None:
        if self._by_id.pop(launch.id, None) is None:
            return
        self._by_process.pop(launch.child.identity, None)
        asyncio.get_running_loop().remove_reader(launch.child.pidfd)
        self._shares.give_back(launch.facts.evidence.uid)
        launch.close()

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        overdue = [launch for launch in self._by_id.values() if launch.image is None and launch.deadline < now]
        for launch in overdue:
            self._drop(launch)


def _check_parent(launcher: ProcessHandle, child: ProcessHandle) -> None:
    """The launcher lives and is the parent: so the pid is still the child's, which only its parent can reap."""
    if child.stat().parent_pid != launcher.pid:
        raise ProcessRefusedError(
            f"process {child.pid} is not a child of the caller",
            hint="only the parent may register a launch, and in the sidecar's pid namespace",
        )
    if launcher.uid not in (0, child.uid):
        raise ProcessRefusedError(f"process {child.pid} belongs to another user than its launcher")
    launcher.recheck()


def _declared_image(launch: _Launch) -> ProcessHandle:
    """In a thread: hold the program that the child runs now, if it is the declared one."""
    image = ProcessHandle.of_pid(launch.request.pid)
    try:
        _check_program(image, launch)
        image.recheck()
    except BaseException:
        image.close()
        raise
    return image


def _running(image: ProcessHandle) -> os.stat_result:
    """The file that a process executes."""
    try:
        descriptor = image.open("exe", os.O_PATH)
    except OSError as error:
        raise ProcessRefusedError(
            f"the kernel does not show what process {image.pid} runs to the sidecar",
            hint="run the sidecar as root or with CAP_SYS_PTRACE",
        ) from error
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _check_program(image: ProcessHandle, launch: _Launch) -> None:
    request = launch.request
    if image.identity != launch.child.identity:
        raise ProcessRefusedError("the launched process has ended")
    running = _running(image)
    declared = version_of(image, request.executable, launch.rights)
    if (running.st_dev, running.st_ino) != (declared.device, declared.inode):
        raise ProcessRefusedError("the launched process does not run the declared executable", hint="launch it again")
    if image.read("cmdline") != b"".join(os.fsencode(argument) + b"\0" for argument in request.argv):
        raise ProcessRefusedError("the launched process has other arguments than declared", hint="launch it again")
    if request.script is not None and version_of(image, request.script, launch.rights) != launch.script_version:
        raise ProcessRefusedError("the script was replaced while it was launched", hint="launch it again")
