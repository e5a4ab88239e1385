"""The operator credential on disk: `{"issuer", "token"}`, readable by its owner alone.

Looked for in the file that `REMIT_CREDENTIALS` names, else in `~/.config/remit/credentials.json`.
`REMIT_ISSUER` overrides the URL in it.
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec

from remit.errors import ConfigurationError, RemitError

_FILE = "REMIT_CREDENTIALS"
_ISSUER = "REMIT_ISSUER"


class CredentialsMissingError(RemitError):
    """There is no operator credential to act with."""

    default_code = "credentials_missing"


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator credential and the issuer that it belongs to."""

    issuer: str
    token: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z")]

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(issuer={self.issuer!r}, token=…)"


def credentials_path() -> Path:
    """The file that holds the operator credential, whether it exists or not."""
    named = os.environ.get(_FILE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "remit" / "credentials.json"


def configured_issuer() -> str | None:
    """The issuer's URL from `REMIT_ISSUER`, else from the credential file, else None."""
    named = os.environ.get(_ISSUER)
    if named:
        return named
    return load().issuer if credentials_path().exists() else None


def load() -> Credentials:
    """Read the operator credential.

    Raises:
        CredentialsMissingError: there is no such file.
        ConfigurationError: the file is readable by others, or does not hold a credential.
    """
    path = credentials_path()
    content = _read_private(path)
    try:
        found = msgspec.json.decode(content, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} is not an operator credential", hint="log in again: `remit login --issuer URL`"
        ) from None
    return msgspec.structs.replace(found, issuer=os.environ.get(_ISSUER) or found.issuer)


def save(credentials: Credentials, path: Path) -> None:
    """Write the credential to `path`, mode 0600, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(credentials), indent=2) + b"\n")


def require_place(path: Path | None) -> None:
    """Refuse, before a secret is made that is shown once, a file that it could not be written to; None is for none.

    Raises:
        ConfigurationError: it is a folder, or its folder is not there or not to be written to.
    """
    if path is None:
        return
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder", hint="name a file in it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"nothing can be written to {path.parent}", hint="is the folder there, and yours?")


def write_private(path: Path, content: bytes) -> None:
    """Write a secret to `path`, mode 0600, whole or not at all, replacing what was there."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            refuse_if_exposed(path, os.fstat(file.fileno()))
            return file.read()
    except FileNotFoundError:
        raise CredentialsMissingError(
            f"no operator credential at {path}",
            hint="run `remit login --issuer URL`, or name a credential file in REMIT_CREDENTIALS",
        ) from None


def refuse_if_exposed(path: Path, status: os.stat_result) -> None:
    """Raise ConfigurationError when others than the owner may read the file."""
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigurationError(f"{path} can be read by others than its owner", hint=f"run `chmod 600 {path}`")
