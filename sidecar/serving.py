"""Running a sidecar: from the command line to its exit code, until it is told to stop (SIGTERM, SIGINT)."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import uvloop

from remit.errors import ConfigurationError, RemitError
from sidecar.app import Sidecar, ready_line
from sidecar.config import SidecarConfig, join_token, load
from sidecar.logs import configure

_THREADS = 2  # waiting for the verifier's thread, and resolving the issuer's name


async def _serve(config: SidecarConfig, token: str | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Sidecar(config, token) as sidecar:
        stopped = asyncio.create_task(stopping.wait())
        ready = asyncio.create_task(sidecar.become_ready())
        await asyncio.wait([stopped, ready], return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            _settle_memory()
            _announce(config, ready_line(config, ready.result()))
            await stopped
        for task in (stopped, ready):
            task.cancel()
        await asyncio.gather(stopped, ready, return_exceptions=True)


def _settle_memory() -> None:
    """What was made to start is kept for good: the collector need not look at it on every full round."""
    gc.collect()
    gc.freeze()


def _announce(config: SidecarConfig, line: bytes) -> None:
    if config.ready_fd is not None:
        with contextlib.suppress(OSError):  # whoever waited has gone; that is no reason to stop serving
            os.write(config.ready_fd, line)
            os.close(config.ready_fd)


def main() -> int:
    """Run the sidecar.

    Returns:
        0 when it was stopped as asked, 1 when the issuer does not accept it, 2 when its configuration is wrong.
    """
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
