"""Many verifier instances in one process: `python -m tests.fakes.many_verifiers ISSUER COUNT`, the credential in the environment.

Each is an `IssuerWatch` of its own, with its own thread, connections and registration. It is told on stdin, line by line:

    await URI INDEX     answers "waiting", then, once every instance refuses that status, a line of JSON: the moments at which each
                        began to, nanoseconds since the epoch
    check URI INDEX     answers a line of JSON: how many instances accept that status now
"""

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Self

from remit.credential import StatusReference
from remit.errors import RefusedError
from remit.verifier import IssuerWatch

_PATIENCE_SECONDS = 15.0


class VerifierProcess:
    """The other end: a process with `count` verifier instances of one provider. A context manager."""

    def __init__(self, issuer: str, credential: str, count: int) -> None:
        """Start it; `ready` waits until all are registered and know the issuer."""
        command = [sys.executable, "-m", "tests.fakes.many_verifiers", issuer, str(count)]
        environment = {**os.environ, "REMIT_PROVIDER_CREDENTIAL": credential}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ready(self) -> None:
        """Wait until every instance accepts tokens."""
        self._says("ready")

    def refused_at(self, status: str) -> None:
        """Begin to wait until every instance refuses `status` (`URI INDEX`); `moments` has the answer."""
        self._ask(f"await {status}")
        self._says("waiting")

    def moments(self) -> list[int]:
        """When each instance began to refuse, nanoseconds since the epoch."""
        return [int(moment) for moment in json.loads(self._line())]

    def ask_who_accepts(self, status: str) -> None:
        """Let every instance look at `status` now; `accepting` has the answer."""
        self._ask(f"check {status}")

    def accepting(self) -> int:
        """How many instances accepted it."""
        return int(self._line())

    def _ask(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _says(self, words: str) -> None:
        if (said := self._line()) != words:
            raise RuntimeError(f"a verifier process said {said!r}, not {words!r}")


class _Instance:
    """One verifier instance that notes when it begins to refuse."""

    def __init__(self, issuer: str, number: int) -> None:
        self.refused_at: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._awaited: StatusReference | None = None
        credential = os.environ["REMIT_PROVIDER_CREDENTIAL"]
        self.watch = IssuerWatch(
            issuer, name=f"verifier-{number}", credential=credential, start_timeout=60, on_change=self._look
        )

    def wait_for(self, status: StatusReference) -> None:
        self._awaited = status

    def accepts(self, status: StatusReference) -> bool:
        try:
            self.watch.check_status(status)
        except RefusedError:
            return False
        return True

    def _look(self) -> None:
        status = self._awaited
        if status is not None and not self.accepts(status):
            self._awaited = None
            self.refused_at.put(time.time_ns())


def _answer(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _obey(instances: Sequence[_Instance], line: str) -> None:
    verb, uri, index = line.split()
    status = StatusReference(uri, int(index))
    if verb == "check":
        _answer(json.dumps(sum(instance.accepts(status) for instance in instances)))
        return
    for instance in instances:
        instance.wait_for(status)
    _answer("waiting")
    _answer(json.dumps([instance.refused_at.get(timeout=_PATIENCE_SECONDS) for instance in instances]))


def main() -> int:
    """Start, say so, and obey until stdin ends."""
    issuer, count = sys.argv[1], int(sys.argv[2])
    instances = [_Instance(issuer, number) for number in range(count)]
    for instance in instances:
        instance.watch.start()
    _answer("ready")
    for line in sys.stdin:
        _obey(instances, line)
    for instance in instances:
        instance.watch.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
