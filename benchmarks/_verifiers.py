"""Many verifier instances in one process, for benchmarks: `python -m benchmarks._verifiers ISSUER COUNT`, the credential in the environment.

Each is an `IssuerWatch` of its own, with its own connection and its own registration. A line `uri index` on stdin asks for the
moment at which each refuses that status; the answer is a line of JSON with those moments, nanoseconds since the epoch.
"""

import json
import os
import queue
import sys
import time

from remit.credential import StatusReference
from remit.errors import RefusedError
from remit.verifier import IssuerWatch

_PATIENCE_SECONDS = 10.0


class _Instance:
    """One verifier instance that notes when it begins to refuse."""

    def __init__(self, issuer: str, number: int) -> None:
        self.refused_at: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._awaited: StatusReference | None = None
        self.watch = IssuerWatch(
            issuer,
            name=f"bench-{number}",
            credential=os.environ["REMIT_PROVIDER_CREDENTIAL"],
            start_timeout=60,
            on_change=self._look,
        )

    def wait_for(self, status: StatusReference) -> None:
        self._awaited = status

    def _look(self) -> None:
        status = self._awaited
        if status is None:
            return
        try:
            self.watch.check_status(status)
        except RefusedError:
            self._awaited = None
            self.refused_at.put(time.time_ns())


def main() -> int:
    """Start, say so, and answer until stdin ends."""
    issuer, count = sys.argv[1], int(sys.argv[2])
    instances = [_Instance(issuer, number) for number in range(count)]
    for instance in instances:
        instance.watch.start()
    print("ready", flush=True)
    for line in sys.stdin:
        uri, index = line.split()
        for instance in instances:
            instance.wait_for(StatusReference(uri, int(index)))
        print("waiting", flush=True)
        times = [instance.refused_at.get(timeout=_PATIENCE_SECONDS) for instance in instances]
        print(json.dumps(times), flush=True)
    for instance in instances:
        instance.watch.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
