"""`remit sidecar`: the program that stands next to the agents."""

from pathlib import Path
from typing import Annotated

import typer

from cli.authority import Reason, Ticket, require_reason, tell
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, Yes, confirm, examples, group
from cli.output import Format, note, print_list
from cli.programs import become
from remit.ids import SidecarName

app = group("Sidecars: the programs that stand next to the agents.")

_COLUMNS = ("name", "state", "created_at", "joined_at", "seen_at")


@app.command("list", epilog=examples("remit sidecar list"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the sidecars that have joined."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/sidecars", limit=limit), _COLUMNS, output)


Name = Annotated[str, typer.Argument(help="The sidecar's name.", show_default=False)]
RevokeIssued = Annotated[
    bool, typer.Option("--revoke-issued", help="Also take back the tokens that it obtained and that have not expired.")
]


@app.command(
    epilog=examples(
        'remit sidecar evict edge-1 --reason "lost its disk" --yes',
        'remit sidecar evict edge-1 --reason "stolen" --ticket INC-7 --revoke-issued --yes',
    )
)
def evict(
    *,
    name: Name,
    reason: Reason,
    ticket: Ticket = None,
    revoke_issued: RevokeIssued = False,
    yes: Yes = False,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """End a sidecar's sessions and forget its key: it joins anew, with a new join token and any key, under the same name.

    Tokens that it obtained before live on until they expire, unless --revoke-issued takes them back. Exit codes as of `remit revoke`.
    """
    _remove("evict", name, _body(reason, ticket, revoke_issued), output, ask=not yes, wait=None if no_wait else wait)


@app.command(epilog=examples('remit sidecar ban edge-1 --reason "stolen" --revoke-issued --yes'))
def ban(
    *,
    name: Name,
    reason: Reason,
    ticket: Ticket = None,
    revoke_issued: RevokeIssued = False,
    yes: Yes = False,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Revoke a sidecar for good: its name never joins again, nor does its key under any name. Otherwise as `evict`."""
    _remove("ban", name, _body(reason, ticket, revoke_issued), output, ask=not yes, wait=None if no_wait else wait)


def _body(reason: str, ticket: str | None, revoke_issued: bool) -> dict[str, object]:
    require_reason(reason)
    return {"reason": reason, "ticket": ticket, "revoke_issued": revoke_issued}


def _remove(verb: str, name: str, body: dict[str, object], output: Format, *, ask: bool, wait: float | None) -> None:
    sidecar = SidecarName.parse(name)
    note(f"{verb}: sidecar {sidecar}")
    if ask:
        confirm(f"{verb} it?")
    with connect() as issuer:
        tell(verb, issuer.post(f"{ADMIN}/sidecars/{sidecar}/{verb}", body), issuer, output, wait)


@app.command(
    epilog=examples(
        "remit sidecar run --issuer https://issuer.example.org --state-dir /var/lib/remit-sidecar --join-token-file token",
        "remit sidecar run --config /etc/remit/sidecar.toml",
    )
)
def run(
    *,
    config: Annotated[Path | None, typer.Option(help="A TOML file with these settings.", show_default=False)] = None,
    issuer: Annotated[str | None, typer.Option(help="The issuer's URL.", show_default="REMIT_ISSUER")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where its key is kept.", show_default=False)] = None,
    socket_dir: Annotated[Path | None, typer.Option(help="Where the sockets are.", show_default="/run/remit")] = None,
    join_token_file: Annotated[
        Path | None, typer.Option(help="The join token, needed once; REMIT_JOIN_TOKEN does too.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Refuse to join under another name.", show_default=False)] = None,
) -> None:
    """Run the sidecar until it is told to stop (SIGTERM)."""
    given = {
        "--config": config,
        "--issuer": issuer,
        "--state-dir": state_dir,
        "--socket-dir": socket_dir,
        "--join-token-file": join_token_file,
        "--name": name,
    }
    become("sidecar", [word for option, value in given.items() if value is not None for word in (option, str(value))])
