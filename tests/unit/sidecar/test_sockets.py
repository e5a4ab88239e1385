"""Sockets: connectable by everybody, taken over from the dead only."""

import socket
import stat
from pathlib import Path

import pytest

from remit.errors import ConfigurationError
from sidecar.sockets import ServedSocket


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path that is short enough for a socket."""
    return tmp_path_factory.mktemp("s") / "run" / "x.sock"


def test_everybody_may_connect(path: Path) -> None:
    """The folder may be entered and the socket connected to by every uid; afterwards it is gone."""
    served = ServedSocket.claim(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    served.close()
    assert not path.exists()


def test_a_live_socket_is_not_stolen(path: Path) -> None:
    """The second claim is refused; so is one of a socket that somebody else serves without our lock."""
    served = ServedSocket.claim(path)
    with pytest.raises(ConfigurationError, match="another process serves"):
        ServedSocket.claim(path)
    served.close()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(ConfigurationError, match="another process serves"):
            ServedSocket.claim(path)


def test_a_dead_socket_is_replaced(path: Path) -> None:
    """The file that a killed process left behind is in nobody's way."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    ServedSocket.claim(path).close()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    """It is somebody's data."""
    path.parent.mkdir()
    path.write_text("data")
    with pytest.raises(ConfigurationError, match="is not a socket"):
        ServedSocket.claim(path)
    assert path.read_text() == "data"


def test_a_folder_that_everybody_may_write_to_is_refused(path: Path) -> None:
    """Anybody could put a socket of their own in our place."""
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ConfigurationError, match="may be written by everybody"):
        ServedSocket.claim(path)


def test_a_socket_that_was_replaced_is_not_removed(path: Path) -> None:
    """On close only our own file goes."""
    served = ServedSocket.claim(path)
    path.unlink()
    path.write_text("another")
    served.close()
    assert path.read_text() == "another"
