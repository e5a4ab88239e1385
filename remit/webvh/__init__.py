"""did:webvh 1.0: the format of its histories, and a checker that believes nothing of who serves them.

It needs `rfc8785`: install `remit[did]`. Specification: https://identity.foundation/didwebvh/v1.0/
"""

from remit.webvh.entry import LogEntry
from remit.webvh.history import History, Version, verify_history

__all__ = ["History", "LogEntry", "Version", "verify_history"]
