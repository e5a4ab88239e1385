"""Files as another process sees them, and as its launcher may."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle
from sidecar.child_files import open_in_root, read_script, version_of
from sidecar.file_rights import FileRights

OWN = FileRights(os.geteuid(), os.getegid(), tuple(os.getgroups()))
STRANGER = FileRights(12345, 12345, (23456,))

as_root = pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")


@pytest.fixture
def here() -> Iterator[ProcessHandle]:
    with ProcessHandle.of_pid(os.getpid()) as handle:
        yield handle


@pytest.fixture
def script() -> Iterator[Path]:
    """A script that everybody may get to and read; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "agent.py")
        path.write_text("print()\n")
        path.chmod(0o644)
        yield path


def test_a_script_is_hashed(here: ProcessHandle, script: Path) -> None:
    """Its bytes give the digest; through a link it is the same file."""
    link = script.with_name("link.py")
    link.symlink_to(script)
    read = read_script(here, str(script), OWN)
    assert read.sha256 == hashlib.sha256(b"print()\n").hexdigest()
    assert read.version == version_of(here, str(link), OWN)
    script.write_text("print(1)\n")
    assert read.version != version_of(here, str(script), OWN)


def test_links_lead_nowhere_but_into_its_own_root(tmp_path: Path) -> None:
    """An absolute link, or one that climbs, stays below the process's root, not below the sidecar's."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    theirs = root / "etc" / "passwd"
    theirs.write_text("theirs")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "climbing").symlink_to("../../../../../../etc/passwd")
    folder = os.open(root, os.O_PATH)
    try:
        for name in ("/absolute", "/climbing", "/etc/../../../etc/passwd"):
            found = open_in_root(folder, name)
            assert os.fstat(found).st_ino == theirs.stat().st_ino
            os.close(found)
    finally:
        os.close(folder)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "large"])
def test_what_is_no_script_is_refused(here: ProcessHandle, script: Path, kind: str) -> None:
    """All with the same words."""
    path = script.with_name("no.py")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.touch()
        os.truncate(path, (64 << 20) + 1)
    with pytest.raises(ProcessRefusedError, match="is not a file of at most 64 MiB that the launcher may read"):
        read_script(here, str(path), OWN)


def test_a_pipe_is_not_even_opened(here: ProcessHandle, tmp_path: Path) -> None:
    """Who waits to write to it goes on waiting."""
    path = tmp_path / "agent.py"
    os.mkfifo(path)
    opened = threading.Event()

    def write() -> None:
        os.close(os.open(path, os.O_WRONLY))
        opened.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            with pytest.raises(ProcessRefusedError):
                read_script(here, str(path), OWN)
            assert not opened.is_set()
    finally:
        os.close(os.open(path, os.O_RDONLY))
        writer.join()


@as_root
def test_a_script_that_the_launcher_may_read_is_hashed(here: ProcessHandle, script: Path) -> None:
    """Because everybody may, by its owner's mode, or by a supplementary group."""
    for mode, uid, gid in ((0o644, 0, 0), (0o400, 12345, 0), (0o440, 0, 12345), (0o440, 0, 23456)):
        script.chmod(mode)
        os.chown(script, uid, gid)
        assert read_script(here, str(script), STRANGER).sha256


@as_root
@pytest.mark.parametrize("hidden", ["by its mode", "by its folder", "by its owner's own mode"])
def test_a_script_that_the_launcher_may_not_read_is_refused(here: ProcessHandle, script: Path, hidden: str) -> None:
    """The sidecar could, but lends its rights to nobody; the words are those for a script that is not there."""
    if hidden == "by its mode":
        script.chmod(0o640)
    elif hidden == "by its folder":
        script.parent.chmod(0o700)
    else:
        os.chown(script, 12345, 12345)
        script.chmod(0o044)
    with pytest.raises(ProcessRefusedError) as refusal:
        read_script(here, str(script), STRANGER)
    with pytest.raises(ProcessRefusedError) as absence:
        read_script(here, str(script.with_name("missing.py")), STRANGER)
    assert str(refusal.value).replace("agent.py", "missing.py") == str(absence.value)


@as_root
def test_which_file_is_behind_a_closed_folder_is_not_told(here: ProcessHandle, script: Path) -> None:
    """Nor whether there is one."""
    script.parent.chmod(0o700)
    with pytest.raises(ProcessRefusedError):
        version_of(here, str(script), STRANGER)


@as_root
@pytest.mark.parametrize(("mode", "owner", "read"), [(0o644, 0, True), (0o640, 0, False), (0o644, 4242, False)])
def test_who_cannot_take_the_rights_reads_what_everybody_may(script: Path, mode: int, owner: int, read: bool) -> None:
    """And nothing of its own: a sidecar of uid 4242, with no capability, for a launcher of another user."""
    script.chmod(mode)
    os.chown(script, owner, 4242)
    source = (
        "import os, sys\n"
        "from attestors.errors import ProcessRefusedError\n"
        "from attestors.handle import ProcessHandle\n"
        "from sidecar.child_files import read_script\n"
        "from sidecar.file_rights import FileRights\n"
        "os.setgroups([]); os.setgid(4242); os.setuid(4242)\n"
        "class Here:\n"
        "    open = staticmethod(lambda name, flags: os.open('/', flags))\n"
        "try: read_script(Here, sys.argv[1], FileRights(12345, 12345, ()))\n"
        "except ProcessRefusedError: print('refused')\n"
        "else: print('read')"
    )
    said = subprocess.check_output([sys.executable, "-c", source, str(script)], text=True)
    assert said == ("read\n" if read else "refused\n")
