"""Reading the configuration: the TOML file, then the `REMIT_*` variables over it.

A variable names its key with double underscores: `REMIT_HTTP__LISTEN` is `listen` of `[http]`, `REMIT__PUBLIC_URL` is the
top-level `public_url`. Unknown keys, and unknown variables of that form, are refused: a misspelt setting is never
silently a default. Tables that repeat (`[[oidc]]`) are for the file alone.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from issuer.config.checks import check
from issuer.config.model import Config, HTTPConfig, KeysConfig, LogConfig, StatusConfig, Table, TokensConfig
from remit.errors import ConfigurationError

_VARIABLE: Final = re.compile(r"REMIT_(?:([A-Z]+)_)?_([A-Z][A-Z_]*)")
_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "": Config,
    "HTTP": HTTPConfig,
    "TOKENS": TokensConfig,
    "KEYS": KeysConfig,
    "STATUS": StatusConfig,
    "LOG": LogConfig,
}
_TOP_LEVEL: Final = ("trust_domain", "public_url", "data_dir")
_PATHS: Final = ("tls_certificate", "tls_key")


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check the configuration.

    Args:
        path: the TOML file; relative paths in it are relative to its folder.
        environment: the process's variables.

    Raises:
        ConfigurationError: unreadable, an unknown key, a wrong value or an insecure combination; it names the key.
    """
    tables = _read(path)
    for variable in sorted(environment):
        if match := _VARIABLE.fullmatch(variable):
            _set(tables, variable, match[1] or "", match[2].lower(), environment[variable])
    _resolve_paths(tables, path.resolve().parent)
    try:
        config = msgspec.convert(tables, Config)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_described(error), hint=f"see {path}") from error
    check(config)
    return config


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {error.strerror}", hint="`remit init DIR` writes a configuration"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def _set(tables: Table, variable: str, section: str, key: str, text: str) -> None:
    """Put one variable's value over the file's."""
    owner = _SECTIONS.get(section)
    fields = {field.name: field for field in msgspec.structs.fields(owner)} if owner else {}
    if key not in fields or (not section and key not in _TOP_LEVEL):
        raise ConfigurationError(f"{variable} names no setting", hint="REMIT_<SECTION>__<KEY>, or REMIT__<KEY>")
    try:
        value = msgspec.convert(text, fields[key].type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{variable}: {error}") from error
    table = tables.setdefault(section.lower(), {}) if section else tables
    if isinstance(table, dict):
        table[key] = value


def _resolve_paths(tables: Table, folder: Path) -> None:
    tables["data_dir"] = str(folder / str(tables.get("data_dir", "")))
    http = tables.get("http")
    if not isinstance(http, dict):
        return
    for key in _PATHS:
        if isinstance(http.get(key), str):
            http[key] = str(folder / http[key])


def _described(error: msgspec.ValidationError) -> str:
    """Msgspec's message with the key first: `http.listen: Expected ...`."""
    what, _, where = str(error).partition(" - at ")
    key = where.strip("`").removeprefix("$").removeprefix(".")
    return f"{key}: {what[0].lower()}{what[1:]}" if key else what[0].lower() + what[1:]
