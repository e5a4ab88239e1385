"""A loopback port that nobody listens on, for a program that is told its port."""

import socket


def free_port() -> int:
    """Take one and give it back; whoever binds it next has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
