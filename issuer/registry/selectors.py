"""The selectors of a registration entry, and the one that it is looked up by.

A workload matches an entry when it has all of the entry's selectors. To find the entries of a workload without reading
all, each is indexed by its anchor: the selector that fewest workloads share. Which one that is affects speed only.
"""

import re
from collections.abc import Iterable
from typing import Final

from remit.errors import InvalidInputError

MAX_SELECTORS: Final = 32
"""Most selectors of one entry."""

_SELECTOR_RE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}:.{1,2048}")

# `/usr/bin/python3` identifies nobody: half of all entries may have it.
_INTERPRETER_RE: Final = re.compile(r"/(?:python|node|java|ruby|perl|php|bash|sh|deno|bun|dotnet)[0-9.]*$", re.ASCII)

# From what one workload has, to what a whole machine has: the first two parts of a selector.
_MOST_SPECIFIC_FIRST: Final = (
    ("launch", "script-sha256"),
    ("unix", "sha256"),
    ("container", "id"),
    ("k8s", "pod-uid"),
    ("spiffe", "id"),
    ("launch", "script"),
    ("systemd", "unit"),
    ("cgroup", "path"),
    ("unix", "path"),
    ("launch", "path"),
    ("unix", "uid"),
    ("launch", "uid"),
    ("unix", "gid"),
)
_RANKS: Final = {kind: rank for rank, kind in enumerate(_MOST_SPECIFIC_FIRST, start=1)}
_OF_OIDC: Final = _RANKS["cgroup", "path"]
_UNKNOWN: Final = len(_RANKS) + 1


def check_selectors(selectors: Iterable[str]) -> tuple[str, ...]:
    """Return the selectors, sorted and each once.

    Raises:
        InvalidInputError: there are none, too many, or one is not `type:value` in printable characters.
    """
    checked = tuple(sorted(set(selectors)))
    if not 1 <= len(checked) <= MAX_SELECTORS:
        raise InvalidInputError(
            f"an entry has 1 to {MAX_SELECTORS} selectors", hint="an empty set would match everybody"
        )
    for selector in checked:
        if _SELECTOR_RE.fullmatch(selector) is None or not selector.isprintable():
            raise InvalidInputError("a selector is not type:value", hint="write it as unix:uid:1000")
    return checked


def anchor(selectors: tuple[str, ...]) -> str:
    """The most specific of `selectors`; the longest first among equals."""
    return min(selectors, key=lambda selector: (_rank(selector), -len(selector), selector))


def _rank(selector: str) -> int:
    kind, first, *_ = selector.split(":", 2)
    if first == "path" and _INTERPRETER_RE.search(selector):
        return _UNKNOWN
    if kind == "oidc":  # oidc:<issuer>:<claim>:<value>
        return 0 if ":sub:" in selector else _OF_OIDC
    return _RANKS.get((kind, first), _UNKNOWN)
