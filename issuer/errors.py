"""What the issuer's domain folders raise, beside the library's own tree.

    RemitError
    ├── NotFoundError              nothing by that name, or nothing that the caller may see
    │   └── UnknownVerifierError   not a registered verifier, or not one any more
    ├── ConflictError              it is there already, or stands in the way of what was asked
    │   ├── RetiredNameError       the name was revoked; names are never used again
    │   ├── AmbiguousNameError     the words in hand name more than one thing
    │   └── AuthorityChangedError  what a decision rests on changed before it was recorded
    ├── IdempotencyMismatchError   the same key came with another body
    ├── UnauthenticatedError       no credential, or not one that is known
    ├── NotAllowedError            known, but this is not for them
    ├── TooManySubscribersError    no more may listen to status events
    ├── TooManyVerifiersError      a provider has as many connected verifiers as it may
    └── NotEntitledError           evidence is good, but nothing is registered that it entitles to

`issuer/http/problems.py` maps each `code` to its status; nothing in here knows of HTTP.
"""

from remit.errors import RemitError


class NotFoundError(RemitError):
    """Nothing by that name, or nothing that the caller may see: the two look the same."""

    default_code = "not_found"


class UnknownVerifierError(NotFoundError):
    """Not a registered verifier of this provider, or not one any more: it registers again."""

    default_code = "unknown_verifier"


class ConflictError(RemitError):
    """It is there already, or something stands in the way of what was asked."""

    default_code = "conflict"


class RetiredNameError(ConflictError):
    """The name belonged to something that was revoked; names are never used again."""

    default_code = "retired_name"


class AmbiguousNameError(ConflictError):
    """The words in hand name more than one thing; the hint lists the candidates."""


class AuthorityChangedError(ConflictError):
    """An account, agent, entry, grant or key changed between a decision and its record: decide again."""

    default_code = "authority_changed"


class IdempotencyMismatchError(RemitError):
    """An Idempotency-Key came again with another body."""

    default_code = "idempotency_mismatch"


class UnauthenticatedError(RemitError):
    """No credential, or not one that is known and active."""

    default_code = "unauthenticated"


class NotAllowedError(RemitError):
    """The caller is known, but its role or its account does not cover this."""

    default_code = "forbidden"


class TooManySubscribersError(RemitError):
    """As many listen to status events as may, from this address, for this provider or in all."""

    default_code = "too_many_subscribers"


class TooManyVerifiersError(RemitError):
    """A provider has as many registered verifiers as it may, and all of them are connected."""

    default_code = "too_many_verifiers"


class NotEntitledError(RemitError):
    """The evidence is good, but no entry, grant or active agent entitles it to a credential.

    Its code says which is missing: `no_entry`, `no_grant`, `no_agent_key`, `agent_not_active`; or what is too much:
    `too_many_tasks`.
    """

    default_code = "no_entry"
