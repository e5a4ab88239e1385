"""The form of a token exchange (RFC 8693 section 2.1): what is not offered is refused, the rest becomes a request."""

from collections.abc import Mapping
from typing import Final

from attestors.base import Appraisal
from issuer.http.oauth import required, seconds
from issuer.http.scopes import parse_details
from issuer.issuance import Caller, Delegation, IssuanceRequest
from issuer.persons import OnBehalf
from remit.errors import InvalidInputError
from remit.ids import AgentName

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a type, not a token
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token


def check_protocol(form: Mapping[str, str]) -> None:
    """Refuse what RFC 8693 leaves open and is not offered here; to ignore it would change what is issued.

    Raises:
        InvalidInputError: `unsupported_grant_type`, `invalid_scope` or `malformed_request`.
    """
    if required(form, "grant_type") != GRANT_TYPE:
        raise InvalidInputError(
            "this grant_type is not offered", code="unsupported_grant_type", hint=f"send {GRANT_TYPE}"
        )
    if ("actor_token" in form) is not ("actor_token_type" in form):
        raise InvalidInputError("actor_token and actor_token_type go together", code="malformed_request")
    if form.get("requested_token_type", JWT) not in (JWT, ACCESS_TOKEN):
        raise InvalidInputError(
            "this requested_token_type is not issued", code="malformed_request", hint=f"ask for {JWT}"
        )
    if "scope" in form:
        raise InvalidInputError(
            "there are no scopes here", code="invalid_scope", hint="narrow with authorization_details"
        )


def wanted(
    form: Mapping[str, str],
    caller: Caller,
    appraisal: Appraisal,
    *,
    person: OnBehalf | None = None,
    delegation: Delegation | None = None,
) -> IssuanceRequest:
    """What a form asks for.

    Args:
        form: its parameters.
        caller: who asks.
        appraisal: what came out of what was shown.
        person: on whose behalf, or None.
        delegation: the parent's token, if it is one that was shown.

    Raises:
        InvalidInputError: a parameter is missing, or does not fit.
    """
    details = form.get("authorization_details")
    return IssuanceRequest(
        caller=caller,
        appraisal=appraisal,
        audience=_audience(form),
        agent=AgentName.parse(form["agent"]) if "agent" in form else None,
        delegation=delegation,
        person=person,
        task=form.get("task"),
        scope=None if details is None else parse_details(details.encode()),
        reason=form.get("reason"),
        ttl_seconds=seconds(form, "ttl_seconds"),
        task_ttl_seconds=seconds(form, "task_ttl_seconds"),
        single=True,
    )


def _audience(form: Mapping[str, str]) -> str:
    """`audience` or `resource`; a token has one audience, so both must agree."""
    audience, resource = form.get("audience"), form.get("resource")
    if audience is None and resource is None:
        raise InvalidInputError(
            "audience is missing", code="invalid_target", hint="name the provider that the token is for"
        )
    if audience is not None and resource is not None and audience != resource:
        raise InvalidInputError("audience and resource differ", code="invalid_target", hint="a token has one audience")
    return audience or resource or ""
