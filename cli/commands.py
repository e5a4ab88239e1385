"""Every command of `remit` and the module that holds it; a module is imported only when its command is called."""

from dataclasses import dataclass
from importlib import import_module

import typer

_REGISTRY = "Registry"
_AGENTS = "For agents and providers"
_AUTHORITY = "In the bad hour"
_OPERATE = "Operating"
_PROGRAMS = "Programs"


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of `remit --help`."""

    name: str
    module: str
    panel: str
    help: str


COMMANDS = (
    Command("account", "cli.account", _REGISTRY, "Accounts: who owns agents and pays for them."),
    Command("agent", "cli.agent", _REGISTRY, "Agents: the AI agents that have an identity."),
    Command("entry", "cli.entry", _REGISTRY, "Registration entries: which workload is which agent."),
    Command("grant", "cli.grant", _REGISTRY, "Grants: what an agent may call and spend."),
    Command("import", "cli.bulk", _REGISTRY, "Register many at once from a file."),
    Command("token", "cli.token", _AGENTS, "Agent tokens: fetch, verify, inspect."),
    Command("did", "cli.did", _AGENTS, "DID documents and histories of agents and accounts."),
    Command("revoke", "cli.revoke", _AUTHORITY, "Take authority back for good."),
    Command("suspend", "cli.suspend", _AUTHORITY, "Stop authority until it is resumed."),
    Command("resume", "cli.resume", _AUTHORITY, "Give suspended authority back."),
    Command("task", "cli.task", _AUTHORITY, "Tasks: which are open or linger, and their end."),
    Command("login", "cli.login", _OPERATE, "Keep an operator credential on this machine."),
    Command("whoami", "cli.whoami", _OPERATE, "Show which operator this is."),
    Command("operator", "cli.operator", _OPERATE, "Operators: who may administer the issuer."),
    Command("join-token", "cli.join_token", _OPERATE, "Single-use secrets by which sidecars join."),
    Command("sidecar", "cli.sidecar", _OPERATE, "Sidecars: run one, list them, evict or ban one."),
    Command("provider", "cli.provider", _OPERATE, "Providers: relying parties that are known by name."),
    Command("verifier", "cli.verifier", _OPERATE, "Verifiers that providers have registered."),
    Command("key", "cli.key", _OPERATE, "Signing keys of the issuer."),
    Command("status", "cli.status", _OPERATE, "Revocation state that the issuer publishes."),
    Command("audit", "cli.audit", _OPERATE, "Audit log: the record of every decision."),
    Command("insight", "cli.insight", _OPERATE, "How long authority takes to end, and where it lingers."),
    Command("doctor", "cli.doctor", _OPERATE, "Look for what is wrong with this installation."),
    Command("init", "cli.init", _PROGRAMS, "Make a data folder for an issuer."),
    Command("serve", "cli.serve", _PROGRAMS, "Run the issuer."),
    Command("run", "cli.run", _PROGRAMS, "Launch an agent so that it is attested."),
    Command("dev", "cli.dev.command", _PROGRAMS, "Run a program in a trust domain of its own."),
)


def load(command: Command) -> typer.Typer:
    """The Typer application of one command."""
    app = import_module(command.module).app
    if not isinstance(app, typer.Typer):
        raise TypeError(f"{command.module}.app is not a typer application")
    return app


def attach(root: typer.Typer, command: Command) -> None:
    """Add a command to the root application, its module imported."""
    app = load(command)
    is_group = app.registered_callback is not None or len(app.registered_commands) > 1
    if is_group:
        root.add_typer(app, name=command.name, rich_help_panel=command.panel)
        return
    (only,) = app.registered_commands
    only.name, only.rich_help_panel = command.name, command.panel
    root.registered_commands.append(only)


def announce(root: typer.Typer, command: Command) -> None:
    """Add a command to the root application by its name and help alone."""
    root.command(command.name, help=command.help, rich_help_panel=command.panel)(_announced)


def _announced() -> None:
    """Stand for a command in `remit --help`; the command itself is attached when it is called."""
