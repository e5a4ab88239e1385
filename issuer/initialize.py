"""`python -m issuer init`: a data folder with everything an issuer needs, and the first operator's credential.

    DIR/remit.toml      the configuration
    DIR/remit.db        the database
    DIR/keys/           the signing keys, and the key that wraps what issuers share
    DIR/operator.json   the first operator's credential: move it to where `remit login` keeps yours, or delete it later

The folder is 0700, what is secret in it 0600. A folder that holds anything is refused: nothing is ever overwritten.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from issuer.app import open_keys, open_secrets
from issuer.config import Config, load
from issuer.registry.model import OperatorCredential
from issuer.registry.service import Registry
from issuer.status.service import StatusLists
from issuer.storage import SQLiteDatabase
from remit.errors import ConfigurationError

OPERATOR = "admin"
"""The first operator's name."""

_CONFIGURATION = """\
# The configuration of a Remit issuer. Every key: docs/reference/configuration.md
# A variable wins over the file: REMIT_HTTP__LISTEN for [http] listen, REMIT__PUBLIC_URL for public_url.

trust_domain = {trust_domain}
{public_url}

[http]
listen = {listen}
# Needed unless `listen` is a loopback address:
# tls_certificate = "tls/chain.pem"
# tls_key = "tls/key.pem"

# Evidence from OIDC tokens, one table for each issuer:
# [[oidc]]
# name = "github"
# preset = "github"
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `init` was asked for.

    Attributes:
        folder: the data folder to make.
        trust_domain: the SPIFFE trust domain.
        public_url: the URL that others know the issuer by, or None for `http://localhost:PORT`.
        listen: address and port.
    """

    folder: Path
    trust_domain: str
    public_url: str | None
    listen: str


async def initialize(wanted: Wanted) -> Config:
    """Make the data folder.

    Returns:
        The configuration that was written, as the issuer will read it.

    Raises:
        ConfigurationError: the folder is not empty or cannot be made, or what was asked for would not start. Then nothing is left
            in it.
    """
    folder = _empty_folder(wanted.folder)
    path = folder / "remit.toml"
    _write_private(path, _rendered(wanted))
    try:
        config = load(path, {})
    except ConfigurationError:
        path.unlink()
        raise
    credential = await _fill(config)
    known_as = config.listening_on(config.http.address()[1]).url
    _write_private(folder / "operator.json", json.dumps({"issuer": known_as, "token": credential.token}) + "\n")
    return config


async def _fill(config: Config) -> OperatorCredential:
    """Make the database, the first keys, the wrapping key, the first status lists and the first operator."""
    now_ms = time.time_ns() // 1_000_000
    database = SQLiteDatabase(config.database_path)
    try:
        await open_keys(config, database).start(now=now_ms // 1000)
        await open_secrets(config, database).start()
        await StatusLists(database).prepare(now_ms // 1000)
        return await Registry(database).create_first_operator(OPERATOR, now_ms)
    finally:
        await database.close()


def _empty_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty", hint="name a new folder; nothing is ever overwritten")
        folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"cannot make {folder}: {error.strerror}") from error
    return folder.resolve()


def _rendered(wanted: Wanted) -> str:
    url = wanted.public_url
    return _CONFIGURATION.format(
        trust_domain=json.dumps(wanted.trust_domain),
        public_url="# public_url: http://localhost:PORT unless set"
        if url is None
        else f"public_url = {json.dumps(url)}",
        listen=json.dumps(wanted.listen),
    )


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
