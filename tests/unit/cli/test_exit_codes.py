"""The exit codes that scripts rely on."""

import re
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode, exit_code_for
from cli.problems import ProblemError
from remit.errors import ConfigurationError, InvalidInputError, RemitError, RevokedError, UnavailableError

_DOCUMENT = Path(__file__).parents[3] / "docs/reference/exit-codes.md"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RevokedError("revoked"), ExitCode.REFUSED),
        (InvalidInputError("no name"), ExitCode.USAGE),
        (ConfigurationError("no url"), ExitCode.USAGE),
        (UnavailableError("no answer"), ExitCode.UNREACHABLE),
        (ProblemError("no such agent", status=404, code="not_found"), ExitCode.NOT_FOUND),
        (ProblemError("exists", status=409, code="conflict"), ExitCode.CONFLICT),
        (ProblemError("retired", status=409, code="retired_name"), ExitCode.CONFLICT),
        (ProblemError("who?", status=401, code="unauthenticated"), ExitCode.FORBIDDEN),
        (ProblemError("viewer", status=403, code="forbidden"), ExitCode.FORBIDDEN),
        (ProblemError("no grant", status=403, code="no_grant"), ExitCode.REFUSED),
        (ProblemError("busy", status=503, code="overloaded"), ExitCode.UNREACHABLE),
        (ProblemError("twice", status=409, code="rotation_under_way"), ExitCode.CONFLICT),
        (ProblemError("no field", status=400, code="malformed_request"), ExitCode.USAGE),
        (ProblemError("gone", status=410, code="deactivated"), ExitCode.REFUSED),
        (ProblemError("oops", status=500, code="internal"), ExitCode.INTERNAL),
        (RemitError("something new", code="never_heard_of"), ExitCode.REFUSED),
    ],
    ids=lambda value: value.code if isinstance(value, RemitError) else value.name,
)
def test_an_error_has_the_exit_code_of_its_kind(error: RemitError, code: ExitCode):
    """A script can tell a refusal from an outage and a typo from a conflict."""
    assert exit_code_for(error) is code


def test_every_exit_code_is_documented():
    """The reference page has one row for each."""
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", _DOCUMENT.read_text(), re.MULTILINE)}

    assert set(ExitCode) <= rows
