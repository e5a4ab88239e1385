"""`authorization_details` (RFC 9396) as it is asked for: an array that holds one `agent_spend` object."""

import msgspec

from remit.errors import InvalidInputError
from remit.jose import strict_json
from remit.scope import SpendScope


def parse_details(text: bytes) -> SpendScope:
    """Read the array; it is JSON that has one reading only.

    Raises:
        InvalidInputError: code `invalid_authorization_details`: not one `agent_spend` object, or not a valid one.
    """
    try:
        details = strict_json(text)
        if isinstance(details, list) and len(details) == 1 and isinstance(details[0], dict):
            return SpendScope.parse(msgspec.json.encode(details[0]))
    except InvalidInputError as error:
        raise InvalidInputError(
            f"authorization_details: {error.detail}", code="invalid_authorization_details", hint=error.hint
        ) from error
    raise InvalidInputError(
        "authorization_details is not an array of one object",
        code="invalid_authorization_details",
        hint='it reads [{"type":"agent_spend","version":1,…}]',
    )
