"""Delegation at the issuer's token endpoint (RFC 8693): the token of who delegates becomes a token of a sub-agent.

The subject token has the endpoint for its only audience, so that no provider was ever shown it, and the proof is by the key of
the sidecar that obtained it. Neither leaves the sidecar but for the issuer.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from remit.errors import UnavailableError
from remit.ids import SPIFFEID, AgentName
from sidecar.errors import IssuerRefusedError
from sidecar.issue import IssuedToken, TokenRequest, refusal_of
from sidecar.token_facts import TokenFacts
from sidecar.upstream import Problem

PATH: Final = "/token"
"""The token endpoint, below the issuer's URL."""

_GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_AGENT_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token


class _Answer(Struct, frozen=True):
    access_token: str


_ANSWER = msgspec.json.Decoder(_Answer)


class Exchange:
    """The token endpoint of one issuer."""

    def __init__(self, issuer: str, post_form: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        """`post_form` sends a form to a path of the issuer with a proof by the sidecar's key, and returns the answer's body."""
        self.endpoint = issuer + PATH
        self._post_form = post_form

    async def exchange(self, subject: IssuedToken, request: TokenRequest) -> IssuedToken:
        """The token that `request` asks for, for the sub-agent that it names last, on the authority of `subject`.

        Raises:
            InvalidInputError: that is not a sub-agent's name.
            IssuerRefusedError: the issuer refused.
            UnavailableError: it did not answer.
        """
        name = (request.sub_agent or "").rpartition("/sub/")[2]
        agent = AgentName.parse(f"{subject.agent}/sub/{name}")
        form = urlencode(_form(subject, agent, request)).encode()
        try:
            answer = _ANSWER.decode(await self._post_form(PATH, form))
        except IssuerRefusedError as error:
            raise refusal_of(Problem(error.code, error.detail, error.hint)) from error
        except msgspec.MsgspecError as error:
            raise _not_understood() from error
        return _issued(answer.access_token, agent, subject)


def _form(subject: IssuedToken, agent: AgentName, request: TokenRequest) -> dict[str, str]:
    task = subject.task or request.task
    form = {
        "grant_type": _GRANT_TYPE,
        "subject_token": subject.token,
        "subject_token_type": _AGENT_TOKEN,
        "agent": str(agent),
        "audience": request.audience,
        "authorization_details": None if request.scope is None else request.scope.decode(),
        "task": task,
        "task_ttl_seconds": None if task is None else _text(request.task_ttl_seconds),
        "ttl_seconds": _text(request.ttl_seconds),
        "reason": request.reason,
    }
    return {name: value for name, value in form.items() if value is not None}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _issued(token: str, agent: AgentName, subject: IssuedToken) -> IssuedToken:
    facts = TokenFacts.read(token)
    expected = agent.spiffe_id(SPIFFEID.parse(subject.spiffe_id).trust_domain)
    if facts.subject != str(expected):
        raise _not_understood()
    kind = "Bearer" if facts.jkt is None else "DPoP"
    return IssuedToken(str(agent), facts.subject, token, facts.issued_at, facts.expires_at, facts.task, kind)


def _not_understood() -> UnavailableError:
    return UnavailableError("the issuer's answer is not that of a token exchange", code="issuer_unavailable")
