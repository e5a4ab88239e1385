"""Answers that refuse: RFC 9457 problem documents, and OAuth's error objects, as errors of Remit's tree."""

import httpx
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


def parse_answer(response: httpx.Response, peer: str) -> JSONObject:
    """The JSON object of a good answer, {} for an empty one.

    Args:
        response: what came back.
        peer: who answered, for people: `the issuer at https://…`.

    Raises:
        ProblemError: the peer refused.
        UnavailableError: the answer is none that Remit gives; something else listens there.
    """
    try:
        if not response.is_success:
            raise _refusal(msgspec.json.decode(response.content, type=_Problem), response.status_code, peer)
        return msgspec.json.decode(response.content, type=JSONObject) if response.content else {}
    except msgspec.DecodeError:
        raise UnavailableError(
            f"{peer} answered {response.status_code} with something that Remit never answers",
            hint="is it Remit that listens there?",
        ) from None


def _refusal(problem: _Problem, status: int, peer: str) -> ProblemError:
    detail = problem.detail or problem.error_description or f"{peer} answered {status}"
    return ProblemError(detail, status=status, code=problem.code or problem.error, hint=problem.hint)
