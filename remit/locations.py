"""Locations: the http(s) URLs of a spend scope and of a call, in the one form that RFC 3986 section 6.2 gives them.

A location matches exactly, or by a path prefix that ends in `/`. An empty path is `/`, so a bare `https://host` stands for
the whole host, as RFC 3986 section 6.2.3 has it. What two parsers could read differently is refused, not repaired:
userinfo, fragments, encoded slashes, backslashes, anything outside ASCII.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from remit.errors import InvalidInputError

MAX_LOCATION_LENGTH: Final = 2048

_URL_RE: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]*))?"
    r"(?P<path>(?:/(?:[a-z0-9._~!$&'()*+,;=:@-]|%[0-9a-f]{2})*)*)"
    r"(?P<query>\?(?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?",
    re.ASCII | re.IGNORECASE,
)
_ESCAPE_RE: Final = re.compile(r"%[0-9a-fA-F]{2}", re.ASCII)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@lru_cache(maxsize=2048)
def normalise_location(location: str) -> str:
    """The normal form of an absolute http(s) URL: case, port, escapes and dot segments (RFC 3986 section 6.2.2 and 6.2.3).

    Raises:
        InvalidInputError: not such a URL, longer than 2048 characters, or with userinfo, a fragment or an encoded slash.
    """
    match = _URL_RE.fullmatch(location) if len(location) <= MAX_LOCATION_LENGTH else None
    if match is None:
        hint = "use an absolute http(s) URL without userinfo and fragment"
        raise InvalidInputError("not a location", code="invalid_location", hint=hint)  # it may hold a password: no echo
    scheme, host = match["scheme"].lower(), match["host"].lower()
    path = _remove_dot_segments(_normalise_escapes(match["path"]))
    if "%2F" in path or "%5C" in path:
        raise InvalidInputError("encoded slash in a location", code="invalid_location")
    return (
        f"{scheme}://{host}{_port_suffix(scheme, match['port'])}{path or '/'}{_normalise_escapes(match['query'] or '')}"
    )


class LocationSet:
    """The locations that a scope permits, normalised and made ready for matching."""

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, normalised: Iterable[str]) -> None:
        self._exact = frozenset(normalised)
        self._prefixes = tuple(each for each in self._exact if each.endswith("/") and "?" not in each)

    def covers(self, normalised: str) -> bool:
        """Whether `normalised`, a call's location or one of a narrower scope, is one of these or below one of them."""
        return normalised in self._exact or normalised.startswith(self._prefixes)


def _port_suffix(scheme: str, port: str | None) -> str:
    if not port:
        return ""
    if len(port) > 5 or int(port) > 65535:
        raise InvalidInputError(f"not a port: {port[:16]}", code="invalid_location")
    return "" if int(port) == _DEFAULT_PORTS[scheme] else f":{int(port)}"


def _normalise_escapes(text: str) -> str:
    """Decode what needs no escape, write the other escapes in upper case (RFC 3986 sections 6.2.2.1 and 6.2.2.2)."""
    return _ESCAPE_RE.sub(_normalise_escape, text) if "%" in text else text


def _normalise_escape(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4 for a path that is empty or begins with a slash."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
