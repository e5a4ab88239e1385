"""base64url without padding (RFC 7515 section 2) and JSON (RFC 8259) that has one reading only."""

import binascii
import json
import math
from typing import NoReturn

import msgspec

from remit.errors import InvalidInputError

JSONValue = str | int | float | bool | None | list["JSONValue"] | dict[str, "JSONValue"]

_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_PADDING = ("", "", "==", "=")
# By what is left of the last group of four: the characters that may end it, those whose bits beyond the last byte are zero.
_LAST_CHARACTERS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", "", "AQgw", "AEIMQUYcgkosw048")


def b64url_encode(data: bytes) -> str:
    """Encode `data` as base64url without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URLSAFE).decode("ascii")


def b64url_decode(text: str | bytes) -> bytes:
    """Decode unpadded base64url; each value has exactly one accepted form.

    Raises:
        InvalidInputError: padding, another alphabet, white space, an impossible length or stray trailing bits.
    """
    if not isinstance(text, str):
        text = text.decode("latin-1")
    rest = len(text) % 4
    if text[-1:] not in _LAST_CHARACTERS[rest] or "+" in text or "/" in text:
        raise InvalidInputError("not canonical unpadded base64url", code="malformed_base64url")
    try:  # msgspec's decoder refuses everything outside the alphabet, and takes a third of the time of binascii's
        return msgspec.convert(text.replace("-", "+").replace("_", "/") + _PADDING[rest], bytes)
    except ValueError as error:
        raise InvalidInputError("not unpadded base64url", code="malformed_base64url") from error


def strict_json(data: bytes, *, max_bytes: int = 65536, max_depth: int = 32) -> JSONValue:
    """Parse UTF-8 JSON that every parser reads alike.

    Args:
        data: the text; no byte order mark.
        max_bytes: the largest size accepted.
        max_depth: the deepest nesting accepted; a scalar has depth 0, `[]` has depth 1.

    Raises:
        InvalidInputError: duplicate names, NaN or infinity, a lone surrogate, too deep, too large, or not JSON.
    """
    if len(data) > max_bytes:
        raise InvalidInputError(f"json larger than {max_bytes} bytes", code="json_too_large")
    try:
        text = data.decode("utf-8")
        value: JSONValue = json.loads(
            text, object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_float=_finite
        )
        _check_tree(value, max_depth)
    except InvalidInputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("not valid json", code="malformed_json") from error
    return value


def _unique_names(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInputError("a json object repeats a name", code="duplicate_name")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise InvalidInputError("json has no NaN or infinity", code="malformed_json")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse_constant(text)
    return value


def _check_tree(value: JSONValue, max_depth: int) -> None:
    """Bound the depth and refuse strings that are not Unicode; a loop, so that depth costs no stack."""
    level: list[JSONValue] = [value]
    depth = 0
    while level:
        below: list[JSONValue] = []
        for item in level:
            if isinstance(item, str):
                item.encode("utf-8")
            elif isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
        if any(isinstance(item, list | dict) for item in level):
            depth += 1
        if depth > max_depth:
            raise InvalidInputError(f"json nested deeper than {max_depth}", code="json_too_deep")
        level = below
