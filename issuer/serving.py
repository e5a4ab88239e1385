"""Running an issuer: start in order, tell who waits that it is ready, and stop without losing what is in flight."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from attestors.http_client import AiohttpClient
from issuer.app import open_services
from issuer.config import Config, HTTPConfig
from issuer.config.checks import check_private
from issuer.http.connection import connections
from issuer.http.server import make_app
from issuer.listening import bind, tls_context
from issuer.storage import Database, SQLiteDatabase

_log = structlog.get_logger("remit.issuer")
_BACKLOG = 1024


async def serve(
    config: Config, *, ready_fd: int | None = None, open_database: Callable[[Path], Database] = SQLiteDatabase
) -> None:
    """Serve until SIGTERM or SIGINT, then stop accepting, finish what is in flight, and close the database.

    Args:
        config: checked.
        ready_fd: a file descriptor on which to write the public URL and a newline, once requests are accepted; it is
            closed then. A launcher that reads it sees the end of the file if the issuer could not start.
        open_database: opens the database, given the file's path.

    Raises:
        ConfigurationError: the issuer cannot or must not start.
        StorageError: the database is in use by another issuer, or broken.
    """
    stopping = _on_signals()
    async with AsyncExitStack() as stack:
        url = await _start(config, stack, open_database)
        _log.info("ready", url=url)
        _tell(ready_fd, url)
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")


async def _start(config: Config, stack: AsyncExitStack, open_database: Callable[[Path], Database]) -> str:
    """Start serving; `stack` stops it again. Returns the public URL."""
    check_private(config.database_path.parent, "the data folder")
    tls_context(config.http)  # a certificate that cannot be used is told of before anything is opened
    database = open_database(config.database_path)
    stack.push_async_callback(database.close)
    listener = stack.enter_context(bind(config.http))
    config = config.listening_on(listener.getsockname()[1])
    client = await stack.enter_async_context(AiohttpClient())
    services = await open_services(config, database, client)
    await stack.enter_async_context(services.dids.running())
    app = make_app(services)
    await stack.enter_async_context(_accepting(app, listener, config.http))
    return config.url


@asynccontextmanager
async def _accepting(app: web.Application, listener: socket.socket, config: HTTPConfig) -> AsyncIterator[None]:
    """Accept connections; at the end stop that first, then finish what is in flight."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=config.shutdown_seconds)
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("a runner that is set up has a server")
    accepting = await asyncio.get_running_loop().create_server(
        connections(server, idle_seconds=config.request_seconds),
        sock=listener,
        ssl=tls_context(config),
        backlog=_BACKLOG,
    )
    try:
        yield
    finally:
        accepting.close()
        await runner.cleanup()


def _on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _tell(ready_fd: int | None, url: str) -> None:
    if ready_fd is None:
        return
    with os.fdopen(ready_fd, "w", encoding="utf-8") as waiting:
        waiting.write(f"{url}\n")
