"""Sockets: connectable by everybody, taken over from the dead only."""

import os
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


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    """They could put a socket of their own in our place: with a sticky bit, while the sidecar is down."""
    path.parent.mkdir()
    path.parent.chmod(mode)
    with pytest.raises(ConfigurationError, match="may be written by other users"):
        ServedSocket.claim(path)


@pytest.mark.parametrize(("mode", "taken"), [(0o777, False), (0o775, True), (0o1777, True)])
def test_a_folder_above_is_everybodys_only_if_it_is_sticky(path: Path, mode: int, taken: bool) -> None:
    """Who may rename the folder may replace it; the sticky bit of /tmp keeps them from it."""
    path.parent.parent.chmod(mode)
    if taken:
        ServedSocket.claim(path).close()
    else:
        with pytest.raises(ConfigurationError, match="may be written by other users"):
            ServedSocket.claim(path)


@pytest.mark.skipif(os.getuid() != 0, reason="gives a folder away")
@pytest.mark.parametrize("above", [False, True])
def test_a_folder_of_another_user_is_refused(path: Path, above: bool) -> None:
    """Its owner could rename the socket and serve another; the folders above are as good."""
    path.parent.mkdir()
    os.chown(path.parent.parent if above else path.parent, 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to uid 12345"):
        ServedSocket.claim(path)


def test_a_socket_that_was_replaced_is_not_removed(path: Path) -> None:
    """On close only our own file goes."""
    served = ServedSocket.claim(path)
    path.unlink()
    path.write_text("another")
    served.close()
    assert path.read_text() == "another"
