"""Files that one process holds."""

import os
from pathlib import Path

import pytest

from sidecar.locks import hold


def test_a_file_is_held_once(tmp_path: Path) -> None:
    """By whoever was first, until they close it; nobody else may read it."""
    path = tmp_path / "lock"
    first = hold(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BlockingIOError):
        hold(path)
    os.close(first)
    os.close(hold(path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody who may write to the folder could lead it elsewhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        hold(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
