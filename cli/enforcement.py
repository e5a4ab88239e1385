"""Waiting until verifiers enforce a change, and saying how far they do."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from cli.exit_codes import ExitCode, exit_code_for
from cli.issuer_client import ADMIN, IssuerClient
from cli.output import printable, readable
from cli.problems import JSONObject
from remit.errors import RemitError

Wait = Annotated[
    float, typer.Option("--wait", min=0, max=3600, help="Seconds to wait until every connected verifier enforces it.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait: return once it is committed.")]

WAIT_SECONDS = 10.0
"""How long a command waits by default."""

_STEP_SECONDS = 2
_PAUSE_SECONDS = 0.25
_MOST_NAMED = 20
_CHECKED_BY_NOBODY = ("operator", "provider", "sidecar")
"""Kinds of things that no token names: when no grant changes with them, verifiers have nothing to enforce."""


class Enforced(msgspec.Struct, frozen=True):
    """A verifier that enforces a change, and how long after the commit it did; None when that is not known."""

    verifier: str
    provider: str
    milliseconds: int | None


class Silent(msgspec.Struct, frozen=True):
    """A verifier that has not said that it enforces a change, and when it refuses by itself."""

    verifier: str
    provider: str
    refuses_by_ms: int


class Enforcement(msgspec.Struct, frozen=True):
    """How far a change is enforced."""

    enforced: list[Enforced]
    silent: list[Silent]

    @property
    def count(self) -> str:
        """How many of how many, and how long the last of them took."""
        number, total = len(self.enforced), len(self.enforced) + len(self.silent)
        took = max((one.milliseconds for one in self.enforced if one.milliseconds is not None), default=None)
        after = "" if took is None else f" after {took} ms"
        return f"{number} of {total} connected verifier{'' if total == 1 else 's'}{after}"


def concerns_verifiers(answer: JSONObject) -> bool:
    """Whether what was changed is something that verifiers can enforce; `answer` is that of the change."""
    resolved, changed = answer.get("resolved"), answer.get("changed")
    kind = resolved.get("kind") if isinstance(resolved, dict) else None
    grants = changed.get("grants") if isinstance(changed, dict) else None
    return bool(grants) or kind not in _CHECKED_BY_NOBODY


def wait_for(issuer: IssuerClient, seq: int, seconds: float) -> Enforcement:
    """Wait until nobody is silent about change `seq`, at most `seconds`; progress is shown on a terminal.

    Raises:
        RemitError: the issuer does not say how far it is enforced.
    """
    deadline = time.monotonic() + seconds
    with _progress() as show:
        while True:
            left = deadline - time.monotonic()
            began = time.monotonic()
            try:
                found = _ask(issuer, seq, max(0, min(_STEP_SECONDS, math.floor(left))))
            except RemitError as error:  # it may be starting anew
                if left <= 0 or exit_code_for(error) is not ExitCode.UNREACHABLE:
                    raise
            else:
                if not found.silent or left <= 0:
                    return found
                show(f"waiting for {len(found.silent)} of {len(found.silent) + len(found.enforced)} verifiers")
            pause = _PAUSE_SECONDS - (time.monotonic() - began)  # an issuer with many who wait answers at once
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))


def described(verb: str, found: Enforcement, answer: JSONObject) -> str:
    """How far a change is enforced, in lines for people; `answer` is that of the change."""
    lines = [_counted(verb, found)]
    lines += [_silent(verb, one) for one in found.silent[:_MOST_NAMED]]
    if len(found.silent) > _MOST_NAMED:
        lines.append(f"silent: {len(found.silent) - _MOST_NAMED} more; -o json names them")
    return "\n".join(printable(line) for line in [*lines, others(verb, answer)])


def others(verb: str, answer: JSONObject) -> str:
    """When those follow who are not waited for."""
    if verb == "resume":
        return "not registered: verifiers accept again once they have read the status lists"
    unregistered, offline = (
        readable("at_ms", answer.get(f"{who}_refuse_by_ms")) for who in ("unregistered", "offline")
    )
    return f"not registered: other Remit verifiers refuse by {unregistered}, stacks that read no status by {offline}"


def _counted(verb: str, found: Enforcement) -> str:
    if not found.enforced and not found.silent:
        return "no verifier is registered"
    return f"{'accepted again' if verb == 'resume' else 'refused'} at {found.count}"


def _silent(verb: str, one: Silent) -> str:
    who = f"silent: {one.verifier} of provider {one.provider}"
    if verb == "resume":
        return f"{who} may still refuse"
    return f"{who} refuses on its own by {readable('refuses_by_at_ms', one.refuses_by_ms)}"


def _ask(issuer: IssuerClient, seq: int, wait_seconds: int) -> Enforcement:
    answer = issuer.get(f"{ADMIN}/enforcement/{seq}", wait_seconds=wait_seconds)
    try:
        return msgspec.convert(answer, type=Enforcement)
    except msgspec.ValidationError:
        raise RemitError(
            "the issuer answered in a form that this version does not know",
            hint="do the versions of `remit` and of the issuer agree?",
        ) from None


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yield what shows a line on the terminal until the block ends; nothing is shown elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _line: None
        return
    with Console(stderr=True).status("waiting for verifiers") as status:
        yield status.update
