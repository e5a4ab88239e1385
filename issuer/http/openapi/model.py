"""What is told of one operation: enough to derive its parameters, body, answers and refusals."""

import re
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Final

_PARAMETER_RE: Final = re.compile(r"\{(\w+)\}")


class Access(StrEnum):
    """What a caller has to show."""

    PUBLIC = "public"
    OPERATOR = "operator"
    PROVIDER = "provider"
    PROOF = "proof"
    SESSION = "session"
    EVIDENCE = "evidence"
    """A session as a sidecar's, or nothing but the evidence in the body."""
    HOLDER = "holder"
    """An operator's credential, or a proof by the key of the token in the body or of the sidecar that obtained it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        method: in capitals.
        path: the route's pattern.
        summary: what it does, in a line.
        access: what the caller has to show.
        answer: the type of a good answer's JSON; None for one that a specification of others describes.
        media_type: of a good answer.
        status: of a good answer.
        body: the type of the body, if it takes one.
        form: whether the body is a form, and errors are OAuth's.
        query: the type of the query parameters, if it takes any.
        refusals: statuses of refusals, beside those that follow from all that.
    """

    method: str
    path: str
    summary: str
    _: KW_ONLY
    access: Access = Access.PUBLIC
    answer: object = None
    media_type: str = "application/json"
    status: int = 200
    body: type | None = None
    form: bool = False
    query: type | None = None
    refusals: frozenset[int] = frozenset()

    @property
    def parameters(self) -> list[str]:
        """The names of what varies in the path."""
        return _PARAMETER_RE.findall(self.path)

    @property
    def changes(self) -> bool:
        """Whether it is an operator's change, which may come with an Idempotency-Key."""
        return self.access is Access.OPERATOR and self.method != "GET" and not self.path.endswith("/resolve")

    @property
    def statuses(self) -> list[int]:
        """Every status that it answers with, but those of a request that is not HTTP (400) and of a defect (500)."""
        found = {self.status, 503, *self.refusals}
        if self.body is not None:
            found |= {400, 408, 413, 415}
        if self.query is not None:
            found |= {400}
        if self.parameters:
            found |= {404}
        if self.access is not Access.PUBLIC:
            found |= {401}
        if self.access in (Access.OPERATOR, Access.SESSION, Access.EVIDENCE, Access.HOLDER):
            found |= {403}
        if self.changes:
            found |= {400, 404, 409, 422}
        return sorted(found)
