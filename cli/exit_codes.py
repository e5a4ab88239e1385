"""What the exit code of `remit` means; docs/reference/exit-codes.md tells the same to people."""

from enum import IntEnum

from cli.problems import ProblemError
from remit.errors import ConfigurationError, InvalidInputError, RefusedError, RemitError, UnavailableError


class ExitCode(IntEnum):
    """The exit codes of every command; `run` and `dev` pass on the code of the program that they launched."""

    OK = 0
    REFUSED = 1
    """The answer is no: a token does not verify, a credential is not issued, a check fails."""
    USAGE = 2
    """The command line, a file or a setting is wrong; nothing was sent or changed."""
    SILENT = 3
    """It is committed, but not every connected verifier has said that it enforces it."""
    UNREACHABLE = 4
    """The issuer or the sidecar did not answer."""
    NOT_FOUND = 5
    """The thing that was named does not exist."""
    CONFLICT = 6
    """It exists already, its name is retired, or the name is ambiguous."""
    FORBIDDEN = 7
    """The operator credential is missing, unknown or not allowed to do this."""
    INTERNAL = 70
    """A defect of Remit, here or at the issuer."""


_BY_CODE = {
    "not_found": ExitCode.NOT_FOUND,
    "unauthenticated": ExitCode.FORBIDDEN,
    "forbidden": ExitCode.FORBIDDEN,
    "credentials_missing": ExitCode.FORBIDDEN,
    "internal": ExitCode.INTERNAL,
}

_BY_STATUS = {
    400: ExitCode.USAGE,
    404: ExitCode.NOT_FOUND,
    405: ExitCode.INTERNAL,
    409: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    415: ExitCode.INTERNAL,
    422: ExitCode.CONFLICT,
    500: ExitCode.INTERNAL,
    503: ExitCode.UNREACHABLE,
}

_BY_CLASS: tuple[tuple[type[RemitError], ExitCode], ...] = (
    (UnavailableError, ExitCode.UNREACHABLE),
    (RefusedError, ExitCode.REFUSED),
    (InvalidInputError, ExitCode.USAGE),
    (ConfigurationError, ExitCode.USAGE),
)


def exit_code_for(error: RemitError) -> ExitCode:
    """The exit code that tells a script what kind of error this was; an unknown kind is a refusal."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, ProblemError):
        return _BY_STATUS.get(error.status, ExitCode.REFUSED)
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    return ExitCode.REFUSED
