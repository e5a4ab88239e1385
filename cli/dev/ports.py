"""A free port on loopback."""

import errno
import random
import socket

from cli.dev.processes import StartError

_PORTS = range(20_000, 32_000)
"""Below what the kernel gives to outgoing connections (ip_local_port_range), so that nobody takes it meanwhile."""
_TRIES = 64


def free_port() -> int:
    """A port that nobody uses on 127.0.0.1, nor on ::1, to which `localhost` may lead as well; raises StartError."""
    for port in random.sample(_PORTS, _TRIES):
        if _is_free(socket.AF_INET, "127.0.0.1", port) and _is_free(socket.AF_INET6, "::1", port):
            return port
    raise StartError("found no free port on loopback")


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    """Whether it can be bound; a machine without IPv6 has nobody on it either."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return family is socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True
