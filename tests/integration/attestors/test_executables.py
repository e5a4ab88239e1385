"""What a process runs, with real files and namespaces: deleted, replaced, mounted over, remembered."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attestors.errors import ProcessRefusedError
from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle

from .conftest import Caller

Call = Callable[..., Caller]


def test_a_deleted_executable_is_refused(call: Call, interpreter: Path) -> None:
    """Nobody can say any more what a deleted program was."""
    caller = call(interpreter)
    interpreter.unlink()
    with caller.handle() as handle, pytest.raises(ProcessRefusedError, match="deleted or replaced"):
        ExecutableReader().read(handle)


def test_a_replaced_executable_is_refused(call: Call, interpreter: Path) -> None:
    """The path's new file is not what runs."""
    caller = call(interpreter)
    other = interpreter.with_name("other")
    shutil.copy("/bin/true", other)
    other.rename(interpreter)
    with caller.handle() as handle, pytest.raises(ProcessRefusedError, match="deleted or replaced"):
        ExecutableReader().read(handle)


def test_a_hard_link_does_not_hide_a_deletion(call: Call, interpreter: Path) -> None:
    """A second name keeps the file alive, but the path that was started is gone."""
    caller = call(interpreter)
    os.link(interpreter, interpreter.with_name("kept"))
    interpreter.unlink()
    with caller.handle() as handle, pytest.raises(ProcessRefusedError, match="deleted or replaced"):
        ExecutableReader().read(handle)


def test_a_digest_is_remembered_once_the_file_has_settled(
    call: Call, interpreter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A young file is hashed each time, since a second write could leave the same times; an old one once."""
    reader = ExecutableReader()
    with call(interpreter).handle() as handle:
        first = reader.read(handle)
        assert len(reader._digests) == 0
        later = time.time() + 60
        monkeypatch.setattr("time.time", lambda: later)
        assert reader.read(handle) == first
        assert len(reader._digests) == 1
        assert reader.read(handle) == first


def test_a_path_of_another_mount_namespace_says_nothing(interpreter: Path) -> None:
    """Anybody may mount a program over any path in a namespace of their own: only the digest remains."""
    disguise = Path("/usr/bin/env")
    script = f"mount --bind {interpreter} {disguise} && exec {disguise} -S -c 'print(1, flush=True); input()'"
    command = ["unshare", "--mount", "--map-root-user", "/bin/sh", "-c", script]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"
            with ProcessHandle.of_pid(process.pid) as handle:
                assert handle.link("exe") == str(disguise)
                executable = ExecutableReader().read(handle)
        finally:
            process.kill()
    assert executable is not None
    assert executable.path is None
