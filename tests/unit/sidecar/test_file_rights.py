"""Working with the rights of another user: all of them, none of one's own, and only in that thread."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from attestors.handle import ProcessHandle
from attestors.procfs import parse_status
from sidecar.file_rights import FileRights, with_rights

STRANGER = FileRights(12345, 12346, (23456, 34567))

as_root = pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")


def thread_status(name: str) -> list[str]:
    """One line of this thread's status (proc(5))."""
    lines = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name + ":")).split()[1:]


@as_root
def test_the_thread_has_those_ids_and_no_capability() -> None:
    """File-system uid and gid, groups; no capability overrules the modes."""

    def look(taken: bool) -> tuple[object, ...]:
        return taken, thread_status("Uid")[3], thread_status("Gid")[3], thread_status("Groups"), thread_status("CapEff")

    assert with_rights(STRANGER, look) == (True, "12345", "12346", ["23456", "34567"], ["0" * 16])


@as_root
def test_no_other_thread_is_changed() -> None:
    """Neither while it works nor afterwards."""

    def credentials(thread: int) -> list[str]:
        lines = Path(f"/proc/self/task/{thread}/status").read_text().splitlines()
        return [line for line in lines if line.startswith(("Uid:", "Gid:", "Groups:", "Cap"))]

    this = threading.get_native_id()
    before = credentials(this)
    assert with_rights(STRANGER, lambda _taken: credentials(this)) == before
    assert credentials(this) == before


def test_what_the_work_raises_is_raised() -> None:
    """In the caller's thread."""

    def fail(_taken: bool) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        with_rights(FileRights(os.geteuid(), os.getegid(), tuple(os.getgroups())), fail)


@as_root
@pytest.mark.parametrize(
    ("own_groups", "uid", "groups", "taken"),
    [
        ([], 4242, (), True),
        ([7], 4242, (7, 8), True),
        ([7], 4242, (), False),  # group 7 would be lent
        ([], 4243, (), False),
    ],
)
def test_who_is_not_privileged_lends_only_what_both_have(
    own_groups: list[int], uid: int, groups: tuple[int, ...], taken: bool
) -> None:
    """A sidecar of uid 4242: the very same user, with all of its groups, or it says that the rights were not taken."""
    source = (
        "import os, sys; from sidecar.file_rights import FileRights, with_rights; "
        f"os.setgroups({own_groups}); os.setgid(4242); os.setuid(4242); "
        f"print(with_rights(FileRights({uid}, 4242, {groups}), lambda taken: taken))"
    )
    assert subprocess.check_output([sys.executable, "-c", source], text=True) == f"{taken}\n"


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_user_of_its_own_with_the_capabilities_to_do_so_takes_the_rights() -> None:
    """As the systemd unit runs it: not root, CAP_SETUID and CAP_SETGID; CAP_DAC_READ_SEARCH does not stay in force."""
    capabilities = "+setuid,+setgid,+dac_read_search"
    source = (
        "import os; from pathlib import Path; from sidecar.file_rights import FileRights, with_rights\n"
        "def look(taken):\n"
        "    status = Path('/proc/thread-self/status').read_text()\n"
        "    return taken, [line.split()[-1] for line in status.splitlines() if line.startswith(('Uid', 'CapEff'))]\n"
        "print(os.geteuid(), *with_rights(FileRights(12345, 12345, ()), look))"
    )
    command = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"]
    command += [f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", sys.executable, "-c", source]
    seen = subprocess.run(command, capture_output=True, text=True, check=False)
    if "denied" in seen.stderr:
        pytest.skip("the interpreter is in a folder that only root may enter")
    assert seen.stdout == f"4242 True ['12345', '{0:016x}']\n"


def test_the_rights_of_a_process_are_the_kernels_word() -> None:
    """Effective ids and all groups."""
    with ProcessHandle.of_pid(os.getpid()) as handle:
        groups = parse_status(handle.read("status")).groups
        assert FileRights.of_process(handle) == FileRights(os.geteuid(), os.getegid(), groups)
