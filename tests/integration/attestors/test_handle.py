"""The hold on a calling process, with real processes: death, pid reuse, execve, other uids, other namespaces."""

import hashlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from attestors.errors import ProcessRefusedError
from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle
from attestors.process import collect
from remit.errors import UnavailableError

from .conftest import Caller

Call = Callable[..., Caller]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user or reuse a pid")


@pytest.fixture
def few_descriptors() -> Iterator[list[int]]:
    """All descriptors that this process may have are taken; those in the list are spare."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, limits[1]))
    spare: list[int] = []
    try:
        with suppress(OSError):
            while True:
                spare.append(os.dup(0))
        yield spare
    finally:
        for descriptor in spare:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_caller_is_named_by_the_kernel(call: Call) -> None:
    """Pid and uid are those of the process that connected, and a second look finds it unchanged."""
    caller = call()
    with caller.handle() as handle:
        handle.recheck()
        assert (handle.pid, handle.uid) == (caller.process.pid, os.geteuid())
        assert handle.stat().parent_pid == os.getpid()


def test_facts_are_the_kernels(call: Call) -> None:
    """Collected facts are the caller's ids, program, digest and control group."""
    caller = call()
    with caller.handle() as handle:
        evidence = collect(handle, ExecutableReader())
    program = Path(sys.executable).resolve()
    assert (evidence.uid, evidence.gid) == (os.geteuid(), os.getegid())
    assert evidence.executable == str(program)
    assert evidence.executable_sha256 == hashlib.sha256(program.read_bytes()).hexdigest()
    assert evidence.cgroup is not None
    assert evidence.launch is None


def test_a_dead_caller_is_noticed(call: Call) -> None:
    """After the process ended nothing is answered in its name."""
    caller = call()
    with caller.handle() as handle:
        caller.end()
        with pytest.raises(ProcessRefusedError, match="has ended"):
            handle.recheck()
        with pytest.raises(ProcessRefusedError, match="has ended"):
            collect(handle, ExecutableReader())


def test_a_zombie_is_dead(call: Call) -> None:
    """A process that ended but was not waited for yet is refused too."""
    caller = call()
    with caller.handle() as handle:
        caller.process.kill()
        os.waitid(os.P_PID, caller.process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessRefusedError, match="has ended"):
            handle.recheck()


def test_a_caller_that_died_before_accept_is_refused(call: Call) -> None:
    """A process that ended between connect and accept has no handle."""
    caller = call()
    caller.end()
    with pytest.raises(ProcessRefusedError, match="has ended"):
        caller.handle()


def take_over(pid: int) -> subprocess.Popen[bytes]:
    """Start a process under a pid that is free again; others may be quicker, so try more than once."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["/bin/sleep", "60"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"pid {pid} was never given out again")


@root_only
def test_a_reused_pid_is_not_the_caller(call: Call) -> None:
    """Another process under the same pid does not inherit the hold; nor does it get one by the old connection."""
    caller = call()
    with caller.handle() as handle:
        caller.end()
        impostor = take_over(handle.pid)
        try:
            with pytest.raises(ProcessRefusedError, match="has ended"):
                handle.recheck()
            with pytest.raises(ProcessRefusedError):
                ProcessHandle.of_peer(caller.connection)
        finally:
            impostor.kill()
            impostor.wait()


@pytest.mark.parametrize("successor", [sys.executable, "/bin/sh"])
def test_execve_behind_the_connection_is_noticed(call: Call, successor: str) -> None:
    """Neither a shell nor the same interpreter started anew speaks for the program that connected."""
    caller = call()
    argument = "import sys; sys.stdin.read()" if successor == sys.executable else "echo done; read line"
    prefix = "print('done', flush=True); " if successor == sys.executable else ""
    with caller.handle() as handle:
        start_time = handle.identity[1]
        caller.tell(f"import os; os.execv({successor!r}, [{successor!r}, '-c', {prefix + argument!r}])")
        assert handle.stat().start_time == start_time
        with pytest.raises(ProcessRefusedError, match="executed another program"):
            handle.recheck()


def test_execve_is_noticed_by_the_arguments_where_addresses_are_hidden(call: Call) -> None:
    """Without the right to ptrace the kernel shows zeros; the arguments are compared then."""
    caller = call()
    with caller.handle() as handle:
        handle._arguments = handle._arguments_digest()
        handle.recheck()
        handle._arguments = b"of another program"
        with pytest.raises(ProcessRefusedError, match="executed another program"):
            handle.recheck()


def test_a_forked_child_is_not_the_caller(call: Call) -> None:
    """What a child connects by itself is held under the child's own pid."""
    caller = call()
    with ProcessHandle.of_pid(os.getpid()) as parent, caller.handle() as child:
        assert parent.identity != child.identity


@root_only
def test_a_caller_under_another_uid(call: Call, interpreter: Path) -> None:
    """The uid is the caller's, not the sidecar's, and facts are collected across uids."""
    caller = call(interpreter, uid=12345)
    with caller.handle() as handle:
        evidence = collect(handle, ExecutableReader())
    assert (evidence.uid, evidence.gid, evidence.groups) == (12345, 12345, [])


@pytest.fixture
def without_ptrace() -> Iterator[None]:
    """Act as a user who may trace nobody else's processes."""
    os.seteuid(23456)
    yield
    os.seteuid(0)


@root_only
def test_a_sidecar_that_may_not_trace_still_knows_who_calls(
    call: Call, interpreter: Path, request: pytest.FixtureRequest
) -> None:
    """Uid and control group are shown to everybody; the program is not, so nothing is said about it."""
    caller = call(interpreter, uid=12345)
    request.getfixturevalue("without_ptrace")
    with caller.handle() as handle:
        assert not handle.stat().shows_addresses
        evidence = collect(handle, ExecutableReader())
        assert (evidence.uid, evidence.executable, evidence.executable_sha256) == (12345, None, None)
        assert evidence.cgroup is not None
        caller.tell("import os; os.execv('/bin/sh', ['/bin/sh', '-c', 'echo done; read line'])")
        with pytest.raises(ProcessRefusedError, match="executed another program"):
            handle.recheck()


@root_only
def test_the_overflow_uid_is_refused(call: Call, interpreter: Path) -> None:
    """The uid that stands for "unknown" is nobody's identity."""
    caller = call(interpreter, uid=65534)
    with pytest.raises(ProcessRefusedError, match="not mapped"):
        caller.handle()


@root_only
def test_a_change_of_uid_is_noticed(call: Call) -> None:
    """A process that changes its user after it connected has to connect again."""
    caller = call()
    with caller.handle() as handle:
        caller.tell("os.setuid(12345)")
        with pytest.raises(ProcessRefusedError, match="changed its uid"):
            handle.recheck()


@root_only
def test_differing_real_and_effective_ids_are_refused(call: Call) -> None:
    """A process between two users is neither."""
    caller = call()
    with caller.handle() as handle:
        caller.tell("os.setresuid(12345, 0, 0)")
        with pytest.raises(ProcessRefusedError, match="real and effective"):
            collect(handle, ExecutableReader())


def test_pid_zero_is_refused() -> None:
    """Pid 0 (a caller of another pid namespace) is nobody."""

    class Foreign:
        def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
            assert (level, optname, buflen) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return bytes(12)

    with pytest.raises(ProcessRefusedError, match="pid namespace"):
        ProcessHandle.of_peer(Foreign())
    with pytest.raises(ProcessRefusedError, match="names no process"):
        ProcessHandle.of_pid(0)


def test_nothing_stays_open(call: Call) -> None:
    """A closed handle leaves no descriptor behind, and closing twice is fine; nor does a refused one."""
    caller = call()
    before = set(Path("/proc/self/fd").iterdir())
    handle = caller.handle()
    handle.close()
    handle.close()
    caller.end()
    with pytest.raises(ProcessRefusedError):
        caller.handle()
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_old_kernels_fall_back_to_the_pid(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SO_PEERPIDFD the pid of SO_PEERCRED is opened."""
    monkeypatch.setattr("attestors.handle._SO_PEERPIDFD", 9999)
    caller = call()
    with caller.handle() as handle:
        handle.recheck()
        assert handle.pid == caller.process.pid


@pytest.mark.parametrize("left", [0, 1, 2])
def test_running_out_of_descriptors_is_not_the_callers_fault(few_descriptors: list[int], left: int) -> None:
    """Nothing is said about a process that cannot be looked at for lack of descriptors: try again later."""
    for _ in range(left):
        os.close(few_descriptors.pop())
    with pytest.raises(UnavailableError) as error:
        ProcessHandle.of_pid(os.getpid())
    assert error.value.code == "overloaded"


def test_a_held_process_without_descriptors_left_has_not_ended(call: Call, request: pytest.FixtureRequest) -> None:
    """It can be checked, which needs none; to read more of it is for later."""
    with call().handle() as handle:
        request.getfixturevalue("few_descriptors")
        handle.recheck()
        with pytest.raises(UnavailableError, match="no file descriptors left"):
            handle.read("status")
