"""Evidence about a workload, encoded once and told apart by its digest."""

import hashlib

import msgspec
from msgspec import Struct

from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle
from attestors.process import LaunchEvidence, collect


class Evidence(Struct, frozen=True):
    """One workload's evidence.

    Attributes:
        encoded: the JSON that goes to the issuer.
        digest: SHA-256 of it; the same facts give the same digest.
        uid: the workload's user, for fair shares and logs.
        agent: the agent that the workload was launched as; it gets no other.
        task: the task that it was launched for; requests that name none are for this one.
        task_ttl_seconds: how long that task may last, where the launcher said.
    """

    encoded: msgspec.Raw
    digest: bytes
    uid: int
    agent: str | None
    task: str | None = None
    task_ttl_seconds: int | None = None


class LaunchFacts(Struct, frozen=True):
    """What a launcher said about a process.

    Attributes:
        evidence: what of it goes to the issuer.
        task: the task that the process was launched for.
        task_ttl_seconds: how long that task may last.
    """

    evidence: LaunchEvidence
    task: str | None = None
    task_ttl_seconds: int | None = None


def observe(handle: ProcessHandle, executables: ExecutableReader, launch: LaunchFacts | None) -> Evidence:
    """Collect the evidence about a held process; it may hash a file.

    Raises:
        ProcessRefusedError: as `attestors.process.collect`.
    """
    facts = collect(handle, executables, launch=launch.evidence if launch is not None else None)
    encoded = msgspec.json.encode(facts)
    return Evidence(
        msgspec.Raw(encoded),
        hashlib.sha256(encoded).digest(),
        facts.uid,
        launch.evidence.agent if launch is not None else None,
        launch.task if launch is not None else None,
        launch.task_ttl_seconds if launch is not None else None,
    )
