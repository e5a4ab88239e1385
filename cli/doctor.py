"""`remit doctor`: look for what is wrong with this installation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.checks import issuer as issuer_checks
from cli.checks import sidecar as sidecar_checks
from cli.checks.finding import Finding, Level
from cli.checks.local import check_credentials
from cli.credentials import configured_issuer
from cli.exit_codes import ExitCode
from cli.issuer_client import IssuerClient
from cli.launch.registration import Sockets
from cli.options import Output, examples
from cli.output import Format, print_json, printable
from remit.errors import RemitError

app = typer.Typer(add_completion=False)

_ISSUER = Annotated[str | None, typer.Option("--issuer", help="The issuer's URL.", show_default="REMIT_ISSUER")]
_SOCKETS = Annotated[
    Path | None, typer.Option("--socket-dir", help="The sidecar's sockets.", show_default="/run/remit")
]


@app.command(
    epilog=examples("remit doctor", "remit doctor -o json", "remit doctor --issuer https://issuer.example.org")
)
def doctor(issuer: _ISSUER = None, socket_dir: _SOCKETS = None, output: Output = Format.TABLE) -> None:
    """Check the credential, the issuer, its clock and keys, the status lists and the sidecar; fails if one check fails."""
    findings: list[Finding] = []
    for finding in _examine(issuer, Sockets.find(socket_dir)):
        findings.append(finding)
        if output is Format.TABLE:
            _print(finding)
    if output is Format.JSON:
        print_json(findings)
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(ExitCode.REFUSED)


def _examine(url: str | None, sockets: Sockets) -> Iterator[Finding]:
    yield from _guarded("credentials", check_credentials)
    url = url or _configured()
    if url is None:
        yield Finding.warn("issuer", "no issuer is configured", "set REMIT_ISSUER, or run `remit login`")
    else:
        yield from _guarded("issuer", lambda: _examine_issuer(url))
    yield from _guarded("sidecar", lambda: sidecar_checks.check(sockets))


def _configured() -> str | None:
    try:
        return configured_issuer()
    except RemitError:
        return None


def _examine_issuer(url: str) -> Iterator[Finding]:
    with IssuerClient(url) as client:
        yield from issuer_checks.check(client)


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; an error ends it as one failed finding."""
    try:
        yield from check()
    except RemitError as error:
        yield Finding(name, Level.FAIL, error.detail, error.hint)
    except OSError as error:
        yield Finding(name, Level.FAIL, f"{error.filename or name}: {(error.strerror or str(error)).lower()}")


def _print(finding: Finding) -> None:
    colors = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
    typer.secho(f"{finding.level.value:<4}", fg=colors[finding.level], nl=False)
    print(f"  {finding.check}: {printable(finding.detail)}")
    if finding.hint:
        print(f"      hint: {printable(finding.hint)}")
