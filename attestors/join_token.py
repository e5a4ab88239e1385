"""Evidence `join_token`: a secret that an operator made for one sidecar, good once.

Appraising says only which token was shown. That it exists, is in time and was not used before is decided where it is
used up, in the transaction that binds the sidecar's key.
"""

import hashlib
import re
from typing import ClassVar, Final, Literal

import msgspec

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.errors import EvidenceRefusedError
from attestors.token_evidence import decode_evidence

PREFIX: Final = "remit_join_"
_FORM: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class JoinTokenEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{"token":"remit_join_…"}`."""

    token: str
    attestor: Literal["join_token"] = "join_token"


def token_digest(token: str) -> str:
    """How a join token is known at rest: SHA-256, hex. It holds 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


class JoinTokenAttestor(Attestor):
    """Reads which join token was shown; only from a sidecar that is joining."""

    name: ClassVar[str] = "join_token"
    origins: ClassVar[frozenset[Origin]] = frozenset({Origin.NODE})
    selector_types: ClassVar[frozenset[str]] = frozenset({"join_token"})

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:  # noqa: ARG002 - the port's signature
        token = decode_evidence(evidence, JoinTokenEvidence, "join token").token
        if not _FORM.fullmatch(token):
            raise EvidenceRefusedError("this is not a join token", hint=f"it begins with {PREFIX}")
        digest = token_digest(token)
        return Appraisal(selectors=frozenset({f"join_token:sha256:{digest}"}), subject="join token", use_once=digest)
