"""What is kept of a launched process that works for a task, so that neither a crash nor a reboot forgets to end the task."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle
from sidecar.evidence import Evidence

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class TaskRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One launched process and its task.

    Attributes:
        launch: the id of its launch.
        agent: the agent that it was launched as.
        task: the task that it was launched for.
        uid: the launcher's user.
        pid, start_time, boot_id: the process, among all that this machine ever ran.
        evidence: what it showed when it started: whoever is not entitled to be the agent ends no task of it.
        entitled: the issuer has said since that it is.
    """

    launch: str
    agent: str
    task: str
    uid: int
    pid: int
    start_time: int
    boot_id: str
    evidence: msgspec.Raw
    entitled: bool = False

    @classmethod
    def of(cls, launch: str, launcher_uid: int, process: ProcessHandle, evidence: Evidence) -> Self:
        """The record of a process that was launched as `evidence.agent` for `evidence.task`."""
        pid, start_time = process.identity
        if evidence.agent is None or evidence.task is None:
            raise ValueError("a launch without an agent or a task is not recorded")
        return cls(launch, evidence.agent, evidence.task, launcher_uid, pid, start_time, _boot_id(), evidence.encoded)

    def shown(self) -> Evidence:
        """The evidence, as it goes to the issuer."""
        encoded = bytes(self.evidence)
        return Evidence(msgspec.Raw(encoded), hashlib.sha256(encoded).digest(), self.uid, self.agent)

    def pidfd(self) -> int | None:
        """A descriptor that becomes readable when the process ends; None when it has ended. The caller closes it."""
        if self.boot_id != _boot_id():
            return None
        try:
            with ProcessHandle.of_pid(self.pid) as process:
                return os.dup(process.pidfd) if process.identity == (self.pid, self.start_time) else None
        except ProcessRefusedError:
            return None


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text("ascii").strip()
