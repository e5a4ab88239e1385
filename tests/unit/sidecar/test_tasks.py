"""Tasks that end with their processes, whatever ends first."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec
import pytest

from attestors.handle import ProcessHandle
from remit.errors import InvalidInputError, RemitError, UnavailableError
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.identity import Identity
from sidecar.task_records import TaskRecord
from sidecar.tasks import Tasks, TaskState

PATIENCE_SECONDS = 5.0


class House:
    """Tasks, what they keep, and an issuer that is told what to say."""

    def __init__(self) -> None:
        self.kept: list[TaskRecord] = []
        self.cannot_keep = False
        self.agents: dict[str, Sequence[str]] = {}
        self.away = False
        self.refusal: RemitError | None = None
        self.question: RemitError | None = None
        self.completed: list[tuple[str, str]] = []
        self.tasks = self.make()

    def make(self) -> Tasks:
        return Tasks(self.keep, self.identities, self.complete)

    def keep(self, records: Sequence[TaskRecord]) -> None:
        if self.cannot_keep:
            raise OSError(28, "No space left on device")
        self.kept = msgspec.json.decode(msgspec.json.encode(records), type=list[TaskRecord])

    async def identities(self, workloads: Iterable[Evidence]) -> dict[bytes, Identity | RemitError]:
        self.answer()
        if self.question is not None:
            raise self.question
        found = {one.digest: self.agents.get(bytes(one.encoded).decode(), ("acme/planner",)) for one in workloads}
        nobody = IssuerRefusedError("no entry matches", code="no_entry", status=403)
        return {
            key: Identity(tuple(agents), "example.org", "https://i") if agents else nobody
            for key, agents in found.items()
        }

    async def complete(self, agent: str, task: str) -> int:
        self.answer()
        self.completed.append((agent, task))
        if self.refusal is not None:
            raise self.refusal
        return 2

    def answer(self) -> None:
        if self.away:
            raise UnavailableError("away", code="issuer_unavailable")

    async def settles(self, launch: str) -> TaskState:
        return await self.tasks.state_of(launch, 1000, PATIENCE_SECONDS)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.tasks.close()


class Program:
    """A process that runs until it is ended."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["/bin/sleep", "60"])

    def record(self, launch: str, task: str = "task-81", shown: str = '"planner"') -> TaskRecord:
        evidence = Evidence(msgspec.Raw(shown.encode()), b"", 1000, "acme/planner", task)
        with ProcessHandle.of_pid(self.process.pid) as handle:
            return TaskRecord.of(launch, 1000, handle, evidence)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Two processes."""
    running = [Program(), Program()]
    yield running
    for program in running:
        program.end()


async def test_a_task_is_completed_when_its_process_has_ended(house: House, programs: list[Program]) -> None:
    """Until then it is kept, and afterwards it is not."""
    await house.tasks.open(programs[0].record("l-1"))
    assert [record.task for record in house.kept] == ["task-81"]
    assert await house.tasks.state_of("l-1", 1000, 0) == TaskState("running")
    programs[0].end()
    assert await house.settles("l-1") == TaskState("completed", 2)
    assert house.completed == [("acme/planner", "task-81")]
    await _until(lambda: house.kept == [] and len(house.tasks) == 0)


async def test_the_last_process_ends_the_task(house: House, programs: list[Program]) -> None:
    """While another one works for it, the task goes on."""
    await house.tasks.open(programs[0].record("l-1"))
    await house.tasks.open(programs[1].record("l-2"))
    await _until(lambda: all(record.entitled for record in house.kept))
    programs[0].end()
    assert await house.settles("l-1") == TaskState("shared")
    assert house.completed == []
    programs[1].end()
    assert await house.settles("l-2") == TaskState("completed", 2)
    assert await house.settles("l-1") == TaskState("completed", 2)
    assert len(house.completed) == 1


async def test_the_issuer_is_asked_until_it_answers(house: House, programs: list[Program]) -> None:
    """An issuer that is away is no reason to leave a task open."""
    house.away = True
    await house.tasks.open(programs[0].record("l-1"))
    programs[0].end()
    await _until(lambda: house.tasks._state("l-1", 1000).state == "pending")
    assert [record.launch for record in house.kept] == ["l-1"]
    house.away = False
    assert await house.settles("l-1") == TaskState("completed", 2)


async def test_a_process_that_is_not_the_agent_ends_no_task(house: House, programs: list[Program]) -> None:
    """Everybody may launch something as somebody: only whom the issuer knows as the agent counts, dead or alive."""
    house.agents = {'"stranger"': (), '"other"': ("acme/other",)}
    await house.tasks.open(programs[0].record("l-1", shown='"stranger"'))
    programs[0].end()
    assert await house.settles("l-1") == TaskState("refused")
    stranger = Program()
    await house.tasks.open(stranger.record("l-2", shown='"other"'))
    await house.tasks.open(programs[1].record("l-3"))
    programs[1].end()
    assert await house.settles("l-3") == TaskState("completed", 2)
    stranger.end()
    assert await house.settles("l-2") == TaskState("refused")
    assert house.completed == [("acme/planner", "task-81")]


async def test_who_became_the_agent_after_its_start_counts(house: House, programs: list[Program]) -> None:
    """An entry that was registered late is looked for again when the process has ended."""
    house.agents = {'"planner"': ()}
    await house.tasks.open(programs[0].record("l-1"))
    await _turns()
    house.agents = {}
    programs[0].end()
    assert await house.settles("l-1") == TaskState("completed", 2)


async def test_who_was_the_agent_need_not_be_it_at_the_end(house: House, programs: list[Program]) -> None:
    """An entry that was removed, or an agent that was suspended, does not leave the task open."""
    await house.tasks.open(programs[0].record("l-1"))
    await _until(lambda: house.kept[0].entitled)
    house.agents = {'"planner"': ()}
    programs[0].end()
    assert await house.settles("l-1") == TaskState("completed", 2)


async def test_a_restart_forgets_no_task(house: House, programs: list[Program]) -> None:
    """Who has ended meanwhile is completed at once, who has not is waited for."""
    await house.tasks.open(programs[0].record("l-1"))
    await house.tasks.open(programs[1].record("l-2", "task-82"))
    await _until(lambda: all(record.entitled for record in house.kept))
    await house.tasks.close()
    programs[0].end()
    house.agents = {'"planner"': ()}
    house.tasks = house.make()
    house.tasks.resume(house.kept)
    assert await house.settles("l-1") == TaskState("completed", 2)
    assert house.completed == [("acme/planner", "task-81")]
    programs[1].end()
    assert await house.settles("l-2") == TaskState("completed", 2)


@pytest.mark.parametrize("change", [{"boot_id": "another"}, {"start_time": 1}])
async def test_a_process_of_another_time_is_not_taken_for_it(
    house: House, programs: list[Program], change: dict[str, object]
) -> None:
    """After a reboot, or when the pid was used again, the process that was launched has ended."""
    house.tasks.resume([msgspec.structs.replace(programs[0].record("l-1"), **change)])
    assert await house.settles("l-1") == TaskState("completed", 2)


async def test_a_refusal_is_final(house: House, programs: list[Program]) -> None:
    """What the issuer will never do is not asked again."""
    house.refusal = IssuerRefusedError("not yours", code="forbidden", status=403)
    await house.tasks.open(programs[0].record("l-1"))
    programs[0].end()
    assert await house.settles("l-1") == TaskState("refused")
    await _until(lambda: len(house.tasks) == 0)


async def test_what_cannot_be_written_down_is_not_opened(house: House, programs: list[Program]) -> None:
    """The launch is not confirmed then, and nothing is left behind."""
    house.cannot_keep = True
    with pytest.raises(UnavailableError, match="No space left"):
        await house.tasks.open(programs[0].record("l-1"))
    await _until(lambda: len(house.tasks) == 0)
    with pytest.raises(InvalidInputError):
        await house.settles("l-1")


async def test_the_state_is_for_the_launchers_user(house: House, programs: list[Program]) -> None:
    """To others the launch does not exist, and neither does one that has no task."""
    await house.tasks.open(programs[0].record("l-1"))
    for launch, uid in (("l-1", 2000), ("l-2", 1000)):
        with pytest.raises(InvalidInputError, match="no launch of that id"):
            await house.tasks.state_of(launch, uid, 0)


async def test_a_task_that_is_joined_while_it_is_completed_is_completed_again(
    house: House, programs: list[Program]
) -> None:
    """What the newcomer opens meanwhile does not stay behind."""
    gate = asyncio.Event()
    complete = house.complete

    async def late(agent: str, task: str) -> int:
        await gate.wait()
        return await complete(agent, task)

    house.tasks._complete = late
    await house.tasks.open(programs[0].record("l-1"))
    programs[0].end()
    await _until(lambda: house.tasks._state("l-1", 1000).state == "pending")
    await _turns()
    await house.tasks.open(programs[1].record("l-2"))
    gate.set()
    assert (await house.settles("l-1")).state in ("completed", "shared")
    programs[1].end()
    assert await house.settles("l-2") == TaskState("completed", 2)
    assert len(house.completed) >= 1


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def _until(condition) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


async def test_a_refusal_to_say_who_is_an_agent_loses_no_task(house: House, programs: list[Program]) -> None:
    """An issuer that refuses the question, whatever its reason, is asked again."""
    house.question = IssuerRefusedError("not now", code="forbidden", status=403)
    await house.tasks.open(programs[0].record("l-1"))
    programs[0].end()
    assert await house.tasks.state_of("l-1", 1000, 0.2) == TaskState("pending")
    house.question = None
    assert await house.settles("l-1") == TaskState("completed", 2)
