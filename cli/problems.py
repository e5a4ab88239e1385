"""Answers that refuse: RFC 9457 problem documents, and OAuth's error objects, as errors of Remit's tree."""

import msgspec

from remit.errors import RemitError, UnavailableError

JSONObject = dict[str, object]


class ProblemError(RemitError):
    """The issuer or the sidecar refused a request; `code` is its own, `status` the HTTP status."""

    default_code = "internal"

    def __init__(self, detail: str, *, status: int, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(detail, code=code, hint=hint)
        self.status = status


class _Problem(msgspec.Struct, frozen=True):
    code: str | None = None
    detail: str | None = None
    hint: str | None = None
    error: str | None = None
    error_description: str | None = None


def parse_answer(status: int, content: bytes, peer: str) -> JSONObject:
    """The JSON object of a good answer, {} for an empty one.

    Args:
        status: the HTTP status.
        content: the body.
        peer: who answered, for people: `the issuer at https://…`.

    Raises:
        ProblemError: the peer refused.
        UnavailableError: the answer is none that Remit gives; something else listens there.
    """
    try:
        if not 200 <= status < 300:
            raise _refusal(msgspec.json.decode(content, type=_Problem), status, peer)
        return msgspec.json.decode(content, type=JSONObject) if content else {}
    except msgspec.DecodeError:
        raise UnavailableError(
            f"{peer} answered {status} with something that Remit never answers",
            hint="is it Remit that listens there?",
        ) from None


def _refusal(problem: _Problem, status: int, peer: str) -> ProblemError:
    detail = problem.detail or problem.error_description or f"{peer} answered {status}"
    return ProblemError(detail, status=status, code=problem.code or problem.error, hint=problem.hint)
