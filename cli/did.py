"""`remit did`: the DID documents and histories of agents and accounts."""

from typing import Annotated

import typer

from cli.credentials import configured_issuer
from cli.histories import fetch_log, read_log, summary, verified, version_row
from cli.issuer_client import IssuerClient
from cli.names import subject_named
from cli.options import Output, examples, group
from cli.output import Format, print_item, print_list
from cli.problems import JSONObject, ProblemError
from remit.errors import ConfigurationError, RefusedError
from remit.ids import DID, AccountName, AgentName
from remit.webvh import History

app = group("DID documents and histories of agents and accounts.")

_COLUMNS = ("version", "since_at", "state", "keys")

Subject = Annotated[str, typer.Argument(help="An agent or an account: name, SPIFFE ID or DID.", show_default=False)]
Issuer = Annotated[str | None, typer.Option(help="The issuer's URL.", show_default="REMIT_ISSUER, or the DID's host")]


@app.command(
    epilog=examples(
        "remit did show acme/planner",
        "remit did show acme",
        "remit did show did:web:issuer.example.org:account:acme:agent:planner",
    )
)
def show(subject: Subject, issuer: Issuer = None, output: Output = Format.JSON) -> None:
    """Show the DID document of an agent or an account."""
    path = _folder(subject_named(subject))
    with IssuerClient(issuer or _issuer_of(subject)) as client:
        print_item(_document(client, path), output)


@app.command(epilog=examples("remit did history acme/planner", "remit did history acme -o json"))
def history(subject: Subject, issuer: Issuer = None, output: Output = Format.TABLE) -> None:
    """Show the keys and the states of an agent or an account over time, after verifying its history."""
    found = _history_of(subject, issuer)
    print_list([version_row(version) for version in found.versions], _COLUMNS, output)


@app.command(
    epilog=examples(
        "remit did verify did.jsonl",
        "remit did verify https://issuer.example.org/account/acme/did.jsonl",
        "remit did verify did:webvh:QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE:issuer.example.org:account:acme",
    )
)
def verify(
    log: Annotated[
        str,
        typer.Argument(help="The history: a file, `-` for stdin, a URL, or a did:webvh.", show_default=False),
    ],
    did: Annotated[str | None, typer.Option(help="The did:webvh that it must be the history of.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Verify a history on this machine, whoever it came from."""
    expected = log if log.startswith("did:") else did
    print_item(summary(verified(read_log(log), expected)), output)


def _history_of(subject: str, issuer: str | None) -> History:
    named = subject_named(subject)
    with IssuerClient(issuer or _issuer_of(subject)) as client:
        found = verified(fetch_log(client, f"{_folder(named)}/did.jsonl"), _with_scid(subject))
    if DID.parse(found.did).subject != str(named):
        raise RefusedError(f"the issuer answered with the history of {found.did}", code="history_invalid")
    return found


def _document(client: IssuerClient, path: str) -> JSONObject:
    try:
        return client.get(f"{path}/did.json")
    except ProblemError as error:
        if error.status != 410:
            raise
        raise ProblemError(
            "this DID is deactivated: its agent or account was revoked",
            status=410,
            code="deactivated",
            hint="`remit did history` shows what was before",
        ) from error


def _folder(named: AgentName | AccountName) -> str:
    """The path that documents and histories are under."""
    return f"/account/{named.account}/agent/{named.path}" if isinstance(named, AgentName) else f"/account/{named}"


def _with_scid(subject: str) -> str | None:
    """`subject` if it says which history it means."""
    return subject if subject.startswith("did:webvh:") else None


def _issuer_of(subject: str) -> str:
    if subject.startswith("did:"):
        return DID.parse(subject).document_url().partition("/account/")[0]
    configured = configured_issuer()
    if configured is None:
        raise ConfigurationError("which issuer?", hint="pass --issuer URL, or set REMIT_ISSUER")
    return configured
