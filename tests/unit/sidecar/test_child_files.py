"""Files as another process sees them."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle
from sidecar.child_files import open_in_root, read_script, version_of


class Elsewhere:
    """A handle of a process whose root is `root`."""

    pid = 1

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, name: str) -> int:
        assert name == "root"
        return os.open(self.root, os.O_RDONLY)


@pytest.fixture
def here() -> ProcessHandle:
    return ProcessHandle.of_pid(os.getpid())


def test_a_script_is_hashed(here: ProcessHandle, tmp_path: Path) -> None:
    """Its bytes give the digest; through a link it is the same file."""
    script = tmp_path / "agent.py"
    script.write_text("print()\n")
    (tmp_path / "link.py").symlink_to(script)
    with here:
        read = read_script(here, str(script))
        assert read.sha256 == hashlib.sha256(b"print()\n").hexdigest()
        assert read.version == version_of(here, str(tmp_path / "link.py"))
        script.write_text("print(1)\n")
        assert read.version != version_of(here, str(script))


def test_links_lead_nowhere_but_into_its_own_root(tmp_path: Path) -> None:
    """An absolute link, or one that climbs, stays below the process's root, not below the sidecar's."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text("theirs")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "climbing").symlink_to("../../../../../../etc/passwd")
    for name in ("/absolute", "/climbing", "/etc/../../../etc/passwd"):
        descriptor = open_in_root(Elsewhere(root), name, os.O_RDONLY)  # type: ignore[arg-type]  # what is used of a handle
        with os.fdopen(descriptor) as file:
            assert file.read() == "theirs"


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_regular_file_is_refused(here: ProcessHandle, tmp_path: Path, kind: str) -> None:
    """And a pipe does not make the sidecar wait."""
    path = tmp_path / "agent.py"
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
        assert stat.S_ISFIFO(path.stat().st_mode)
    with here, pytest.raises(ProcessRefusedError):
        read_script(here, str(path))
