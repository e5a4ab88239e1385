"""Tasks that end with their processes.

    open      a launched process works for a task; that is on disk before its launch is confirmed
    ended     the kernel says that it has ended, however it ended; after a restart, /proc says so
    settled   the issuer has confirmed that the process was entitled to be the agent, and that the task is complete; until
              then it is asked again, with growing pauses

Several processes may work for one task: it is completed when the last of them has ended. A process that the issuer does not
know as the agent counts for nothing, or every local user could end the tasks of others.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal

import msgspec
import structlog
from cachetools import LRUCache
from msgspec import Struct

from remit.errors import InvalidInputError, RemitError, UnavailableError
from sidecar.backoff import Circuit
from sidecar.errors import IssuerRefusedError, OverloadedError
from sidecar.evidence import Evidence
from sidecar.identity import Identity
from sidecar.task_records import TaskRecord

_log = structlog.get_logger(__name__)

_MOST_OF_USER = 4096
_REMEMBERED = 1024
_LEAST_PAUSE_SECONDS = 0.05


class TaskState(Struct, frozen=True, omit_defaults=True):
    """How it stands with the task of one launch.

    Attributes:
        state: `running`: its process lives. `shared`: it has ended, another one works for the same task. `pending`: the
            issuer has not answered yet. `completed`. `refused`: the process was not the agent, or the issuer refused.
        grants: how many grants ended with it.
    """

    state: Literal["running", "shared", "pending", "completed", "refused"]
    grants: int | None = None


class _Member:
    """One process of a task."""

    def __init__(self, record: TaskRecord) -> None:
        self.record = record
        self.evidence = record.shown()
        self.pidfd: int | None = None

    @property
    def counts(self) -> bool:
        return self.record.entitled and self.pidfd is not None


class _Task:
    """One task of one agent, and who works for it."""

    def __init__(self, agent: str, name: str) -> None:
        self.agent = agent
        self.name = name
        self.members: dict[str, _Member] = {}
        self.pace = Circuit()
        self.worker: asyncio.Task[None] | None = None
        self._stirred = asyncio.Event()
        self._moved = asyncio.Event()

    def stir(self) -> None:
        """There is something to do about it."""
        self._stirred.set()
        self.move()

    def move(self) -> None:
        """Tell whoever waits that its state may be another."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def stirs(self) -> None:
        await self._stirred.wait()
        self._stirred.clear()

    async def moves(self) -> None:
        await self._moved.wait()


class Tasks:
    """The tasks of launched processes, until the issuer has confirmed their end."""

    def __init__(
        self,
        keep: Callable[[Sequence[TaskRecord]], None],
        identities: Callable[[Iterable[Evidence]], Awaitable[dict[bytes, Identity | RemitError]]],
        complete: Callable[[str, str], Awaitable[int]],
    ) -> None:
        """`keep` makes all records durable; `identities` and `complete` ask the issuer."""
        self._keep = keep
        self._identities = identities
        self._complete = complete
        self._tasks: dict[tuple[str, str], _Task] = {}
        self._of_launch: dict[str, _Task] = {}
        self._settled: LRUCache[str, tuple[int, TaskState]] = LRUCache(_REMEMBERED)
        self._saving = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._tasks)

    def resume(self, kept: Iterable[TaskRecord]) -> None:
        """Go on with what an earlier run of the sidecar has kept."""
        for record in kept:
            self._join(record)

    async def open(self, record: TaskRecord) -> None:
        """Take note of a process that works for a task; durable when this returns.

        Raises:
            OverloadedError: too many tasks of that user are not over.
            UnavailableError: it cannot be written down.
        """
        uids = [member.record.uid for task in self._tasks.values() for member in task.members.values()]
        if uids.count(record.uid) >= _MOST_OF_USER:
            raise OverloadedError("too many tasks of this user are not over", hint="wait until some have ended")
        task = self._join(record)
        try:
            await self._save()
        except OSError as error:
            self._leave(task, record.launch)
            task.stir()
            raise UnavailableError(f"the task cannot be written down: {error.strerror}") from error

    async def state_of(self, launch: str, uid: int, wait_seconds: float) -> TaskState:
        """How it stands with the task of a launch of that user, at the latest after `wait_seconds` or when it is settled.

        Raises:
            InvalidInputError: there is no such launch, or it is not of that user, or has no task (code `not_found`).
        """
        try:
            async with asyncio.timeout(wait_seconds):
                while (state := self._state(launch, uid)).state in ("running", "pending"):
                    await self._of_launch[launch].moves()
        except TimeoutError:
            return self._state(launch, uid)
        return state

    async def close(self) -> None:
        """Let go of every process; what is kept stays for the next run."""
        workers = [task.worker for task in self._tasks.values() if task.worker is not None]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for task in self._tasks.values():
            for member in task.members.values():
                self._release(member)

    def _state(self, launch: str, uid: int) -> TaskState:
        settled, task = self._settled.get(launch), self._of_launch.get(launch)
        if settled is not None and settled[0] == uid:
            return settled[1]
        if task is None or task.members[launch].record.uid != uid:
            raise InvalidInputError("no launch of that id works for a task", code="not_found")
        if task.members[launch].pidfd is not None:
            return TaskState("running")
        return TaskState("shared" if any(member.counts for member in task.members.values()) else "pending")

    def _join(self, record: TaskRecord) -> _Task:
        task = self._tasks.get((record.agent, record.task))
        if task is None:
            task = self._tasks[record.agent, record.task] = _Task(record.agent, record.task)
            task.worker = asyncio.get_running_loop().create_task(self._see_to(task))
        member = task.members[record.launch] = _Member(record)
        self._of_launch[record.launch] = task
        member.pidfd = record.pidfd()
        if member.pidfd is not None:
            asyncio.get_running_loop().add_reader(member.pidfd, self._ended, task, member)
        task.stir()
        return task

    def _ended(self, task: _Task, member: _Member) -> None:
        self._release(member)
        task.stir()

    def _release(self, member: _Member) -> None:
        if member.pidfd is not None:
            asyncio.get_running_loop().remove_reader(member.pidfd)
            os.close(member.pidfd)
            member.pidfd = None

    def _leave(self, task: _Task, launch: str, state: TaskState | None = None) -> None:
        member = task.members.pop(launch)
        del self._of_launch[launch]
        self._release(member)
        if state is not None:
            self._settled[launch] = (member.record.uid, state)
        task.move()

    async def _see_to(self, task: _Task) -> None:
        """Do what is to be done about a task, until there is nothing left."""
        while True:
            await task.stirs()
            try:
                await self._confirm(task)
                await self._settle(task)
            except (RemitError, OSError) as error:
                _log.info("task not settled", agent=task.agent, task=task.name, why=str(error))
                task.pace.failed()
                await asyncio.sleep(max(_LEAST_PAUSE_SECONDS, task.pace.wait_seconds))
                task.stir()
                continue
            task.pace.succeeded()
            if not task.members:
                del self._tasks[task.agent, task.name]
                return

    async def _confirm(self, task: _Task) -> None:
        """Ask which processes are the agent; who has ended and was never, is left out."""
        asked = [member for member in task.members.values() if not member.record.entitled]
        if not asked:
            return
        ended = {member.record.launch for member in asked if member.pidfd is None}
        found = await self._identities(member.evidence for member in asked)
        for member in asked:
            outcome = found[member.evidence.digest]
            if isinstance(outcome, UnavailableError):
                raise outcome
            if isinstance(outcome, Identity) and task.agent in outcome.agents:
                member.record = msgspec.structs.replace(member.record, entitled=True)
            elif member.record.launch in ended:
                self._leave(task, member.record.launch, TaskState("refused"))
                _log.info("task not completed: the process was not the agent", agent=task.agent, task=task.name)
        await self._save()

    async def _settle(self, task: _Task) -> None:
        """Complete the task if its last process has ended."""
        over = [launch for launch, member in task.members.items() if member.record.entitled and member.pidfd is None]
        if not over or any(member.counts for member in task.members.values()):
            return
        try:
            state = TaskState("completed", await self._complete(task.agent, task.name))
        except IssuerRefusedError as error:
            state = TaskState("refused")
            _log.warning("task not completed", agent=task.agent, task=task.name, code=error.code, detail=error.detail)
        for launch in over:
            self._leave(task, launch, state)
        await self._save()

    async def _save(self) -> None:
        async with self._saving:
            records = [member.record for task in self._tasks.values() for member in task.members.values()]
            await asyncio.to_thread(self._keep, records)
