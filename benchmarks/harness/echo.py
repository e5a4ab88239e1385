"""The baseline of HTTP rows: an aiohttp server on uvloop that sends each body back. `python -m benchmarks.harness.echo`."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop
from aiohttp import web


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type=request.content_type)


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/{path:.*}", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def echo_server() -> Iterator[int]:
    """Run the server as a process of its own; yields its port."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.harness.echo"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    uvloop.run(_serve())
