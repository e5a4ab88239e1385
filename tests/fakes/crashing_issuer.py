"""An issuer that kills itself at a chosen step of a transaction: its composition root puts a saboteur before the database.

    python -m tests.fakes.crashing_issuer --config F --ready-fd N

A file `crash` in the data folder arms it: `<n> <step>`, for the n-th transaction from then on, at one of STEPS.
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from issuer.config import load
from issuer.serving import serve
from issuer.storage import SQLiteDatabase

STEPS = ("before", "first-statement", "second-statement", "worked", "committed")


class Saboteur:
    """The `Database` port on a real database, deadly when armed."""

    def __init__(self, path):
        self._inner = SQLiteDatabase(path)
        self._order = path.with_name("crash")
        self._seen = 0
        self.read, self.now, self.close = self._inner.read, self._inner.now, self._inner.close

    async def transaction(self, work):
        """Run `work`, or die at the step that was ordered."""
        step = self._step()
        _die_if(step == "before")

        async def watched(tx):
            result = await work(Counting(tx, step))
            _die_if(step == "worked")
            return result

        result = await self._inner.transaction(watched)
        _die_if(step == "committed")
        return result

    def _step(self):
        """The step to die at in this transaction, or None."""
        if not self._order.exists():
            return None
        number, step = self._order.read_text().split()
        self._seen += 1
        return step if self._seen == int(number) else None


class Counting:
    """The `Transaction` port; dies after the first or second statement that writes."""

    def __init__(self, inner, step):
        self._inner = inner
        self._left = {"first-statement": 1, "second-statement": 2}.get(step, -1)
        self.fetch, self.fetch_row, self.now_ms = inner.fetch, inner.fetch_row, inner.now_ms

    async def execute(self, sql, *args):
        result = await self._inner.execute(sql, *args)
        self._count()
        return result

    async def execute_many(self, sql, rows):
        await self._inner.execute_many(sql, rows)
        self._count()

    def _count(self):
        self._left -= 1
        _die_if(self._left == 0)


def _die_if(ordered):
    if ordered:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args()
    asyncio.run(serve(load(options.config, os.environ), ready_fd=options.ready_fd, open_database=Saboteur))
