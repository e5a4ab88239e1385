"""Claims to selectors: `oidc:<provider>:<claim>:<value>`. Pure, no I/O.

A claim is named by its path. In text the parts are joined by dots (`kubernetes.io.pod.name`); because a part may itself
hold dots (`kubernetes.io`), every way to cut the text is tried, and a token in which two of them lead somewhere is refused
rather than read in one of two ways.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from attestors.errors import EvidenceRefusedError
from attestors.jwt_evidence import Claims
from remit.jose.encoding import JSONValue

ClaimPath = str | tuple[str, ...]
"""Parts joined by dots, or the parts themselves."""

_MAX_LIST: Final = 64
_MISSING: Final = object()


def claim_selectors(provider: str, claims: Claims, exposed: Mapping[str, ClaimPath]) -> frozenset[str]:
    """The selectors of the `exposed` claims (name → path) that the token has.

    Text, whole numbers and booleans (`true`, `false`) give one selector, a list of them one for each item; anything else gives none.

    Raises:
        EvidenceRefusedError: a path can be read in two ways, or a list is too long.
    """
    return frozenset(
        f"oidc:{provider}:{name}:{value}"
        for name, path in exposed.items()
        for value in _values(claim_at(claims, path), name)
    )


def check_expected(claims: Claims, expected: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a token unless each claim in `expected` has one of the values that are listed for it.

    Raises:
        EvidenceRefusedError: a claim is missing or has another value.
    """
    for path, allowed in expected.items():
        values = list(_values(claim_at(claims, path), path))
        if not values or not set(values) <= set(allowed):
            raise EvidenceRefusedError(
                f"the token's {path} is not one that is expected", hint=f"expected: {', '.join(allowed)}"
            )


def check_required(claims: Claims, required: tuple[str, ...]) -> None:
    """Refuse a token that lacks one of the `required` claims.

    Raises:
        EvidenceRefusedError: one is missing, null or empty.
    """
    for path in required:
        if claim_at(claims, path) in (None, "", [], {}):
            raise EvidenceRefusedError(
                f"the token has no {path}", hint="it is not of the kind that the provider is configured for"
            )


def claim_at(claims: Claims, path: ClaimPath) -> JSONValue:
    """The value at `path`, or None.

    Raises:
        EvidenceRefusedError: the path can be read in two ways.
    """
    found = list(_readings(claims, path.split(".")) if isinstance(path, str) else _exact(claims, path))
    if len(found) > 1:
        raise EvidenceRefusedError(f"the token has two claims that {path!r} could mean", hint="name it in claim_paths")
    return found[0] if found else None


def _readings(value: JSONValue | Claims, parts: list[str]) -> Iterator[JSONValue]:
    """Every value that some way of cutting the path leads to."""
    if not isinstance(value, Mapping):
        return
    for cut in range(1, len(parts) + 1):
        member = value.get(".".join(parts[:cut]), _MISSING)
        if member is _MISSING:
            continue
        if cut == len(parts):
            yield member  # type: ignore[misc]  # only the marker, ruled out above, is not a JSON value
        else:
            yield from _readings(member, parts[cut:])  # type: ignore[arg-type]  # the same


def _exact(value: JSONValue | Claims, parts: tuple[str, ...]) -> Iterator[JSONValue]:
    for part in parts:
        if not isinstance(value, Mapping) or part not in value:
            return
        value = value[part]
    yield value  # type: ignore[misc]  # a path has at least one part, so this is a member's value


def _values(value: JSONValue, name: str) -> Iterator[str]:
    if isinstance(value, list):
        if len(value) > _MAX_LIST:
            raise EvidenceRefusedError(f"the token's {name} lists more than {_MAX_LIST} values")
        for item in value:
            if not isinstance(item, list):
                yield from _values(item, name)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, int) or (isinstance(value, str) and value):
        yield str(value)
