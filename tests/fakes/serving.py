"""Serving a fake from a thread of its own, for programs that have no event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.oidc_provider import OIDCProvider, serve


@contextmanager
def served(provider: OIDCProvider) -> Iterator[OIDCProvider]:
    """Serve the provider; its `url` is set when the block begins."""
    started, stop = threading.Event(), asyncio.Event()

    async def work() -> None:
        async with serve(provider):
            started.set()
            await stop.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    started.wait(5)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.close()
