"""Evidence that is a token: `{"attestor":"…","token":"…"}`, read the same way by every attestor that takes one."""

from typing import TypeVar

import msgspec

from attestors.errors import EvidenceRefusedError

T = TypeVar("T")


def decode_evidence(evidence: bytes, kind: type[T], what: str) -> T:
    """Read `evidence` as `kind`; `what` names it in the refusal.

    Raises:
        EvidenceRefusedError: it is not such an object.
    """
    try:
        return msgspec.json.decode(evidence, type=kind)
    except msgspec.MsgspecError as error:
        raise EvidenceRefusedError(
            f"the {what} evidence does not parse", hint="it is an object with a token"
        ) from error
