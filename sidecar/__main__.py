"""`python -m sidecar`: serve until told to stop (SIGTERM, SIGINT); `remit sidecar run` execs it.

Exit codes: 0 stopped as asked, 1 not accepted by the issuer, 2 wrong configuration.
"""

import asyncio
import contextlib
import os
import signal
import sys

import uvloop

from remit.errors import ConfigurationError, RemitError
from sidecar.app import Sidecar, ready_line
from sidecar.config import SidecarConfig, join_token, load
from sidecar.logs import configure


async def _serve(config: SidecarConfig, token: str | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Sidecar(config, token) as sidecar:
        stopped = asyncio.create_task(stopping.wait())
        ready = asyncio.create_task(sidecar.become_ready())
        await asyncio.wait([stopped, ready], return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            _announce(config, ready_line(config, ready.result()))
            await stopped
        for task in (stopped, ready):
            task.cancel()
        await asyncio.gather(stopped, ready, return_exceptions=True)


def _announce(config: SidecarConfig, line: bytes) -> None:
    if config.ready_fd is not None:
        with contextlib.suppress(OSError):  # whoever waited has gone; that is no reason to stop serving
            os.write(config.ready_fd, line)
            os.close(config.ready_fd)


def main() -> int:
    """Run the sidecar; return its exit code."""
    try:
        config = load(sys.argv[1:], os.environ)
        token = join_token(config, os.environ)
    except ConfigurationError as error:
        print(f"sidecar: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured yet
        return 2
    configure(config.log_level, config.log_format)
    try:
        uvloop.run(_serve(config, token))
    except RemitError as error:
        print(f"sidecar: {error}", file=sys.stderr)  # noqa: T201 - one line for whoever started it
        return 2 if error.code == ConfigurationError.default_code else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
