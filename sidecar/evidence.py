"""Evidence about a workload, encoded once and told apart by its digest."""

import hashlib

import msgspec
from msgspec import Struct

from attestors.process import ProcessEvidence


class Evidence(Struct, frozen=True):
    """One workload's evidence.

    Attributes:
        encoded: the JSON that goes to the issuer.
        digest: SHA-256 of it; the same facts give the same digest.
        uid: the workload's user, for fair shares and logs.
        agent: the agent that the workload was launched as; it gets no other.
    """

    encoded: msgspec.Raw
    digest: bytes
    uid: int
    agent: str | None


def encode(facts: ProcessEvidence) -> Evidence:
    """Encode the facts about a process."""
    encoded = msgspec.json.encode(facts)
    agent = facts.launch.agent if facts.launch is not None else None
    return Evidence(msgspec.Raw(encoded), hashlib.sha256(encoded).digest(), facts.uid, agent)
