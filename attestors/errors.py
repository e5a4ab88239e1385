"""What an attestor may raise: evidence was refused, and why.

EvidenceRefusedError's codes are stable:

- `evidence_refused`: malformed, forged, foreign, or not enough to say who the workload is
- `evidence_expired`: outside its validity period
- `evidence_replayed`: may be used once and was used before
- `evidence_unavailable`: a peer that is needed to judge it (an OIDC provider) did not answer
"""

from typing import ClassVar

from remit.errors import RefusedError


class EvidenceRefusedError(RefusedError):
    """The evidence is not accepted; nothing is known about the workload."""

    default_code: ClassVar[str] = "evidence_refused"


class ProcessRefusedError(EvidenceRefusedError):
    """The calling process is gone, is not the one that connected any more, or cannot be identified."""
