"""Histories of DIDs, fetched from wherever and verified here: nothing that the issuer says of them is believed."""

import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cli.issuer_client import IssuerClient
from cli.output import JSONObject
from remit.errors import ConfigurationError, InvalidInputError, RefusedError
from remit.ids import DID
from remit.reasons import reason_of
from remit.webvh import History, Version, verify_history


class _Service(msgspec.Struct, frozen=True):
    id: str
    endpoint: object = msgspec.field(default=None, name="serviceEndpoint")


class _Named(msgspec.Struct, frozen=True):
    id: str


class _Document(msgspec.Struct, frozen=True):
    """What is shown of a document; whatever else is in it does not matter."""

    service: list[_Service] = []
    keys: list[_Named] = msgspec.field(default_factory=list, name="verificationMethod")


def verified(log: str, did: str | None = None) -> History:
    """`log` once it has been verified against this machine's clock.

    Raises:
        RefusedError: it does not verify, or is not the history of `did`.
    """
    try:
        return verify_history(log, now=int(time.time()), did=did)
    except InvalidInputError as error:
        raise RefusedError(
            f"the history does not verify: {error.detail}",
            code=error.code,
            hint="whoever wrote or served it changed it, or left something out: trust no version of it",
        ) from error


def read_log(where: str) -> str:
    """The text of a history: a file, `-` for stdin, a URL, or a did:webvh.

    Raises:
        ConfigurationError: the file cannot be read.
        RemitError: it cannot be fetched.
    """
    if where == "-":
        return sys.stdin.read()
    if where.startswith("did:"):
        where = DID.parse(where).history_url()
    if where.startswith(("https://", "http://")):
        url = urlsplit(where)
        with IssuerClient(f"{url.scheme}://{url.netloc}") as client:
            return _text(client.raw(url.path), where)
    try:
        return _text(Path(where).read_bytes(), where)
    except OSError as error:
        raise ConfigurationError(f"cannot read {where}: {reason_of(error)}") from error


def fetch_log(client: IssuerClient, path: str) -> str:
    """The text of a history that an issuer serves at `path`."""
    return _text(client.raw(path), path)


def version_row(version: Version) -> JSONObject:
    """One version as a row: number, time, state, and the thumbprints of the keys."""
    document = _document(version)
    return {
        "version": version.number,
        "version_id": version.version_id,
        "since_at": version.at,
        "state": "revoked" if version.deactivated else _state(document),
        "keys": [key.id.partition("#")[2] for key in document.keys],
    }


def summary(history: History) -> JSONObject:
    """What a history says in the end."""
    first, last = history.versions[0], history.versions[-1]
    row = version_row(last)
    return {
        "did": history.did,
        "versions": last.number,
        "from_at": first.at,
        "to_at": last.at,
        "state": row["state"],
        "keys": row["keys"],
        "version_id": last.version_id,
    }


def _document(version: Version) -> _Document:
    try:
        return msgspec.convert(version.document, _Document)
    except msgspec.ValidationError:  # somebody else's history: whatever its documents are
        return _Document()


def _state(document: _Document) -> str | None:
    for service in document.service:
        if service.id.endswith("#state") and isinstance(service.endpoint, dict):
            return str(service.endpoint.get("state"))
    return None


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(f"{where} is not a history: it is not text", code="history_invalid") from error
