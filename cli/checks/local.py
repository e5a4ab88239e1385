"""The operator credential on this machine, and what it is worth at the issuer."""

from collections.abc import Iterator

from cli import credentials
from cli.checks.finding import Finding
from cli.issuer_client import ADMIN, connect
from cli.output import readable


def check_credentials() -> Iterator[Finding]:
    """File, mode, content, and that the issuer knows the operator."""
    path = credentials.credentials_path()
    if not path.exists():
        yield Finding.warn("credentials", f"none at {path}", "run `remit login --issuer URL` to administer the issuer")
        return
    credentials.load()
    yield Finding.ok("credentials", f"{path} is yours alone")
    with connect() as issuer:
        me = issuer.get(f"{ADMIN}/whoami")
    yield Finding.ok("operator", f"{readable('operator', me.get('operator'))}, {readable('role', me.get('role'))}")
