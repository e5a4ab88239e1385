"""Who calls: one process per connection, named by the kernel and checked again on every call.

A connection belongs to the process that opened it. `attestors.handle` holds that process; here is what a server keeps with
the connection: the handle, and the evidence collected from it. Before each answer the process must still live and run
what it ran. If it executed something else, the old evidence is gone and new evidence is collected: the same connection
then speaks for another workload, never for the old one.
"""

import asyncio
import os
import time
from asyncio import BaseTransport
from functools import partial

from attestors.errors import ProcessRefusedError
from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle
from sidecar.evidence import Evidence, observe
from sidecar.lanes import Lanes
from sidecar.launches import Launches

_REFRESH_SECONDS = 10.0
_SWEEP_AT_LEAST = 64
_CGROUP_BYTES = 1 << 15


class Caller:
    """The process behind a connection, as of its last full look.

    Attributes:
        handle: holds the process.
        evidence: what goes to the issuer.
        collected_at: on the monotonic clock, seconds.
    """

    __slots__ = ("_cgroup", "_cgroup_file", "collected_at", "evidence", "handle")

    def __init__(self, handle: ProcessHandle, evidence: Evidence, cgroup_file: int, cgroup: bytes) -> None:
        """Take over `handle` and the open `/proc/PID/cgroup`, whose content was `cgroup` before the evidence was collected."""
        self.handle = handle
        self.evidence = evidence
        self.collected_at = time.monotonic()
        self._cgroup_file = cgroup_file
        self._cgroup = cgroup

    def recheck(self) -> None:
        """Make sure that the evidence is still true of the living process; about ten microseconds.

        Raises:
            ProcessRefusedError: the process ended, executes something else, or changed its uid or control group.
        """
        self.handle.recheck()
        if read_cgroup(self._cgroup_file) != self._cgroup:
            raise ProcessRefusedError(f"process {self.handle.pid} has changed its control group", hint="try again")

    def close(self) -> None:
        """Let the process go."""
        self.handle.close()
        self.close_cgroup()

    def close_cgroup(self) -> None:
        """Let go of what a later look at the same process replaces."""
        descriptor, self._cgroup_file = self._cgroup_file, -1
        if descriptor >= 0:
            os.close(descriptor)


def read_cgroup(descriptor: int) -> bytes:
    """The content of an open `/proc/PID/cgroup`, empty once the process has ended."""
    try:
        return os.pread(descriptor, _CGROUP_BYTES, 0)
    except OSError:
        return b""


class _Connection:
    __slots__ = ("caller", "lock")

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.lock = asyncio.Lock()

    def close(self) -> None:
        if self.caller is not None:
            self.caller.close()
            self.caller = None


class Callers:
    """The callers of all open connections."""

    def __init__(self, executables: ExecutableReader, launches: Launches, lanes: Lanes) -> None:
        self._executables = executables
        self._lanes = lanes
        self._launches = launches
        self._connections: dict[BaseTransport, _Connection] = {}
        self._sweep_at = _SWEEP_AT_LEAST

    def __len__(self) -> int:
        return len(self._connections)

    def known(self, transport: BaseTransport) -> Caller | None:
        """The caller if nothing about it has changed since its last call, else None: then `identify` it."""
        connection = self._connections.get(transport)
        caller = connection.caller if connection is not None else None
        if caller is None or time.monotonic() - caller.collected_at > _REFRESH_SECONDS:
            return None
        try:
            caller.recheck()
        except ProcessRefusedError:
            return None
        return caller

    async def of(self, transport: BaseTransport) -> Caller:
        """Who is behind a connection: as `known`, else as `identify`, with its errors."""
        return self.known(transport) or await self.identify(transport)

    async def identify(self, transport: BaseTransport) -> Caller:
        """Look at the caller in full: open it anew and collect evidence.

        Raises:
            ProcessRefusedError: it has ended, or cannot be identified.
            UnavailableError: it is being launched, and its launcher has not reported yet, or its user asks for too much.
        """
        connection = self._connections.get(transport)
        if connection is None:
            self._sweep()
            connection = self._connections.setdefault(transport, _Connection())
        async with connection.lock:
            caller = self.known(transport)
            if caller is None:
                caller = await self._look(transport, connection)
            return caller

    def handle_of(self, transport: BaseTransport) -> ProcessHandle:
        """Hold the process behind a connection, for the length of one request; the caller closes it. Raises as `identify`."""
        return ProcessHandle.of_peer(transport.get_extra_info("socket"))

    def close(self) -> None:
        """Let every caller go."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def sweep(self) -> None:
        """Let go of the callers whose connections have closed."""
        for transport in [transport for transport in self._connections if transport.is_closing()]:
            self._connections.pop(transport).close()

    async def _look(self, transport: BaseTransport, connection: _Connection) -> Caller:
        handle = self._held(transport, connection)
        cgroup_file = -1
        try:
            launch = await self._launches.facts_of(handle)
            cgroup_file = handle.open("cgroup")
            cgroup = read_cgroup(cgroup_file)
            look = partial(observe, handle, self._executables, launch)
            caller = Caller(handle, await self._lanes.run(handle.uid, look), cgroup_file, cgroup)
            caller.recheck()
        except BaseException as error:
            connection.close()
            handle.close()
            if cgroup_file >= 0:
                os.close(cgroup_file)
            if isinstance(error, OSError):
                raise ProcessRefusedError(f"process {handle.pid} has ended, or is hidden from the sidecar") from error
            raise
        if connection.caller is not None:
            connection.caller.close_cgroup()
        connection.caller = caller
        return caller

    def _held(self, transport: BaseTransport, connection: _Connection) -> ProcessHandle:
        """The handle that is held already while its process runs what it ran: calls in flight still need it."""
        if connection.caller is not None:
            try:
                connection.caller.handle.recheck()
            except ProcessRefusedError:
                connection.close()
            else:
                return connection.caller.handle
        return self.handle_of(transport)

    def _sweep(self) -> None:
        if len(self._connections) >= self._sweep_at:
            self.sweep()
            self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._connections))
