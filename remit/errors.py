"""Every error that Remit raises, in one tree; each has a stable `code`.

    RemitError
    ├── InvalidInputError        a value does not parse (also a ValueError)
    ├── ConfigurationError       a setting is missing or wrong
    ├── UnavailableError         a peer that is needed did not answer
    └── RefusedError             a token, a proof or a call is not accepted
        ├── TokenInvalidError    not a token that the issuer signed for this audience
        ├── TokenExpiredError    outside its validity period
        ├── RevokedError         its grant was revoked
        ├── SuspendedError       its grant is suspended
        ├── StaleError           what is known of the issuer is too old to accept anything
        ├── ProofRefusedError    the proof of possession is missing, wrong or used before
        └── ScopeRefusedError    the credential is good, the call is outside its spend scope

Programs decide by class or by `code`; `detail` and `hint` are for people. Neither ever holds a secret or a whole token.
"""

from typing import ClassVar


class RemitError(Exception):
    """The root of the tree.

    Attributes:
        code: stable, machine-readable (`snake_case`).
        detail: what was wrong with which input: lower case, no final period.
        hint: what to do about it, or None.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, detail: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail


class InvalidInputError(RemitError, ValueError):
    """A value does not parse as what it should be."""

    default_code = "invalid_input"


class ConfigurationError(RemitError):
    """A setting is missing or wrong; `detail` names it."""

    default_code = "invalid_configuration"


class UnavailableError(RemitError):
    """A peer that is needed (issuer, sidecar) did not answer, or not in time."""

    default_code = "unavailable"


class RefusedError(RemitError):
    """A token, a proof or a call is not accepted. Catch this one around `verify` and `authorize`."""

    default_code = "refused"


class TokenInvalidError(RefusedError):
    """Not a token that the issuer signed for this audience."""

    default_code = "token_invalid"


class TokenExpiredError(RefusedError):
    """The token is outside its validity period (`exp`, `nbf`, `iat`; RFC 7519 section 4.1)."""

    default_code = "token_expired"


class RevokedError(RefusedError):
    """The grant behind the token was revoked; final."""

    default_code = "credential_revoked"


class SuspendedError(RefusedError):
    """The grant behind the token is suspended; it may be resumed."""

    default_code = "credential_suspended"


class StaleError(RefusedError):
    """What is known of the issuer is missing or older than the staleness bound, so nothing is accepted."""

    default_code = "status_stale"


class ProofRefusedError(RefusedError):
    """The proof of possession (RFC 9449) is missing, wrong or was used before."""

    default_code = "proof_refused"


class ScopeRefusedError(RefusedError):
    """The credential is good, but the call, or the scope asked for, is outside its spend scope."""

    default_code = "scope_refused"
