"""`remit token`: fetch, verify and inspect agent tokens."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import configured_issuer
from cli.errors import report_remit
from cli.options import Output, examples, group
from cli.output import Format, note, print_item, print_json
from cli.problems import JSONObject
from cli.spend_scope import read_scope
from remit.client import AgentToken, Client, TokenRequest
from remit.credential import Credential
from remit.errors import ConfigurationError, InvalidInputError, RefusedError, TokenInvalidError
from remit.jose import parse_unverified
from remit.scope import SpendScope
from remit.verifier import Verifier

app = group("Agent tokens: fetch one from the sidecar, verify one, look into one.")

_MAX_BYTES = 16384
_START_SECONDS = 5.0

Audience = Annotated[str, typer.Option(help="The provider that the token is for, usually its URL.", show_default=False)]
TokenSource = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A file with the token, `-` being stdin; never the token itself.", show_default=False
    ),
]
Issuers = Annotated[
    list[str] | None, typer.Option("--issuer", help="An issuer that is trusted.", show_default="REMIT_ISSUER")
]
ScopeFile = Annotated[
    Path | None, typer.Option(help="A file with the agent_spend object to narrow the grant to.", show_default=False)
]


Task = Annotated[str | None, typer.Option(help="The task it is for.", show_default=False)]
TaskTTL = Annotated[
    int | None,
    typer.Option(min=1, metavar="SECONDS", help="How long the task may last, if this begins it.", show_default=False),
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the audit log.", show_default=False)]
Agent = Annotated[str | None, typer.Option(help="Which agent, if it may be several.", show_default=False)]
Person = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The OIDC token of the person whom the agent acts for: a file, `-` being stdin.",
        show_default=False,
    ),
]


@app.command(
    epilog=examples(
        "remit token fetch --audience https://api.example.com",
        "remit token fetch --audience https://api.example.com --task task-81 -o json",
        "remit token fetch --audience https://api.example.com --on-behalf-of - < ana.jwt",
    )
)
def fetch(
    audience: Audience,
    *,
    task: Task = None,
    task_ttl: TaskTTL = None,
    scope: ScopeFile = None,
    reason: Reason = None,
    agent: Agent = None,
    on_behalf_of: Person = None,
    output: Output = Format.TABLE,
) -> None:
    """Fetch a token from the sidecar and print it: alone, or as JSON with what belongs to it."""
    wanted = TokenRequest(audience, task, _narrowed(scope), reason, agent, _person(on_behalf_of), task_ttl)
    _print(Client().fetch(wanted), output)


@app.command(
    epilog=examples(
        "remit token delegate reader --audience https://api.example.com",
        "remit token delegate reader/sub/pages --audience https://api.example.com --scope pages.json --ttl 60",
    )
)
def delegate(
    sub_agent: Annotated[
        str,
        typer.Argument(
            metavar="SUB_AGENT", help="Its name below the agent: `reader`, or `reader/sub/pages`.", show_default=False
        ),
    ],
    audience: Audience,
    *,
    task: Task = None,
    task_ttl: TaskTTL = None,
    scope: ScopeFile = None,
    ttl: Annotated[
        int | None, typer.Option(min=1, metavar="SECONDS", help="How long it may live at most.", show_default=False)
    ] = None,
    reason: Reason = None,
    agent: Agent = None,
    on_behalf_of: Person = None,
    output: Output = Format.TABLE,
) -> None:
    """Delegate to a sub-agent: fetch a token of it, which permits no more than the agent may, and print it."""
    person = _person(on_behalf_of)
    wanted = TokenRequest(audience, task, _narrowed(scope), reason, agent, person, task_ttl, sub_agent, ttl)
    _print(Client().fetch(wanted), output)


@app.command(
    epilog=examples(
        "remit token fetch --audience https://api.example.com | remit token verify --audience https://api.example.com -",
        "remit token verify --audience https://api.example.com --issuer https://issuer.example.org token.txt",
    )
)
def verify(token: TokenSource, audience: Audience, issuer: Issuers = None, output: Output = Format.TABLE) -> None:
    """Verify a token as a provider would: signature, claims, scope and revocation; exit code 0 is yes, 1 is no."""
    try:
        read = read_token(token)
        issuers = issuer or [_configured_issuer()]
        # No credential, whatever the environment holds: one look is nothing that a revocation has to wait for.
        with Verifier(issuers, audience, start_timeout=_START_SECONDS, credential={}) as verifier:
            credential = verifier.verify(read)
    except RefusedError as error:
        if output is Format.JSON:
            print_json({"valid": False, "code": error.code, "detail": error.detail})
        raise typer.Exit(report_remit(error)) from None
    if output is Format.JSON:
        print_json({"valid": True, **_shown(credential)})
    else:
        print_item(_shown(credential), output)


@app.command(epilog=examples("remit token inspect token.txt", "remit token inspect - < token.txt"))
def inspect(token: TokenSource) -> None:
    """Show what a token says, without verifying any of it."""
    unverified = parse_unverified(read_token(token))
    note("unverified: anybody can write such a token; `remit token verify` tells whether it is real")
    header, claims = unverified.unverified_header(), unverified.unverified_payload()
    print_json({"unverified_header": header, "unverified_claims": claims})


def _narrowed(scope: Path | None) -> SpendScope | None:
    return SpendScope.parse(read_scope(scope)) if scope else None


def _person(source: str | None) -> str | None:
    return None if source is None else read_token(source)


def _print(token: AgentToken, output: Format) -> None:
    if output is Format.TABLE:
        print(token.token)
        return
    print_json(
        {
            "token": token.token,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "agent": str(token.agent),
            "spiffe_id": str(token.spiffe_id),
            "audience": token.audience,
            "task": token.task,
        }
    )


def read_token(source: str) -> str:
    """The token in a file, `-` being stdin.

    Raises:
        InvalidInputError: it cannot be read.
        TokenInvalidError: it does not hold one word of at most 16 KiB.
    """
    if source.count(".") == 2 and len(source) > 100 and not Path(source[:255]).exists():
        raise InvalidInputError(
            "a token is not taken from the command line, where every user of the machine can see it",
            hint="pass it on stdin, with `-`",
        )
    try:
        content = sys.stdin.buffer.read(_MAX_BYTES + 1) if source == "-" else _beginning_of(Path(source))
    except OSError as error:
        raise InvalidInputError(f"cannot read {source}: {(error.strerror or 'error').lower()}") from None
    words = content.split()
    if len(words) != 1 or len(content) > _MAX_BYTES or not words[0].isascii():
        raise TokenInvalidError("that is no token: it is one word of at most 16 KiB", hint="pass the token alone")
    return words[0].decode("ascii")


def _beginning_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _configured_issuer() -> str:
    found = configured_issuer()
    if found is None:
        raise ConfigurationError("which issuer is trusted?", hint="pass --issuer URL, or set REMIT_ISSUER")
    return found


def _shown(credential: Credential) -> JSONObject:
    return {
        "agent": str(credential.agent),
        "account": credential.account,
        "spiffe_id": str(credential.spiffe_id),
        "audience": credential.audience,
        "task": credential.task,
        "scope": credential.scope.to_wire(),
        "issuer": credential.issuer,
        "jti": credential.jti,
        "issued_at": credential.issued_at,
        "expires_at": credential.expires_at,
        "status_list": credential.status.uri,
        "status_index": credential.status.index,
    }
