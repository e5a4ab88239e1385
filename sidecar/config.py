"""The sidecar's configuration: arguments over `REMIT_SIDECAR_*` variables over a TOML file, checked whole at start.

A join token is never an argument: arguments are visible to every user of the machine. It comes from a file or from
`REMIT_JOIN_TOKEN`.
"""

import argparse
import os
import ssl
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from remit.errors import ConfigurationError
from remit.verifier.fetch import check_origin
from sidecar.state import has_joined

_PREFIX = "REMIT_SIDECAR_"
_OF_AGENTS = frozenset({"REMIT_SIDECAR_SOCKET"})  # told to agents, not to the sidecar
_PATHS = ("state_dir", "socket_dir", "join_token_file", "ca_file")
_MAX_SOCKET_PATH = 107  # sockaddr_un.sun_path with its final NUL, unix(7)

JOIN_TOKEN_VARIABLE = "REMIT_JOIN_TOKEN"  # noqa: S105 - the name of the variable, not a token


class SidecarConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything the sidecar is told at start.

    Attributes:
        issuer: the issuer's public URL, as it stands in `iss`; https, or http on loopback.
        state_dir: holds the sidecar's key; made with mode 0700.
        socket_dir: where `workload.sock` and `remit.sock` are served; made with mode 0755.
        join_token_file: a file with the join token; needed only the first time.
        name: the sidecar's name; joining with a token of another sidecar is an error.
        ca_file: PEM certificates to trust for the issuer instead of the system's.
        log_level: the least severity that is written to stderr.
        log_format: `console` for people, `json` for programs, `auto`: by whether stderr is a terminal.
        ready_fd: a descriptor that gets one line of JSON once the sidecar serves.
        cache_size: how many answers are kept.
        status_poll_seconds: how often the status lists are read while no events come; a revocation ends cached tokens after
            that at the latest.
    """

    issuer: str
    state_dir: str
    socket_dir: str = "/run/remit"
    join_token_file: str | None = None
    name: str | None = None
    ca_file: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    ready_fd: Annotated[int, Meta(ge=0)] | None = None
    cache_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    status_poll_seconds: Annotated[float, Meta(ge=0.1, le=5)] = 1.0

    @property
    def workload_socket(self) -> Path:
        """The SPIFFE Workload API's socket."""
        return Path(self.socket_dir) / "workload.sock"

    @property
    def remit_socket(self) -> Path:
        """The socket of Remit's own HTTP API."""
        return Path(self.socket_dir) / "remit.sock"

    def tls(self) -> ssl.SSLContext | None:
        """How to check the issuer's certificate; None for plain HTTP on loopback.

        Raises:
            ConfigurationError: `ca_file` cannot be read.
        """
        if self.issuer.startswith("http://"):
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"ca_file {self.ca_file!r} cannot be used: {error}") from error


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> SidecarConfig:
    """Read the configuration; relative paths in the file are relative to its folder, others to the current one.

    Raises:
        ConfigurationError: a setting is missing, unknown or wrong; the text names its key.
        SystemExit: `--help`, or an argument that does not exist (exit code 2).
    """
    given = {key: value for key, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    file = given.pop("config", None) or environment.get(f"{_PREFIX}CONFIG")
    settings = {**(_from_file(Path(file)) if file else {}), **_from_environment(environment), **given}
    if "issuer" not in settings and "REMIT_ISSUER" in environment:
        settings["issuer"] = environment["REMIT_ISSUER"]
    for key in ("issuer", "state_dir"):
        if not settings.get(key):
            option = "--" + key.replace("_", "-")
            raise ConfigurationError(f"{key} is not set", hint=f"give {option} or {_PREFIX}{key.upper()}")
    try:
        config = msgspec.convert(settings, SidecarConfig, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the sidecar's configuration is wrong: {error}") from error
    _check(config)
    return config


def join_token(config: SidecarConfig, environment: Mapping[str, str]) -> str | None:
    """The join token, if one was given. A file that is gone by now does no harm to a sidecar that has joined.

    Raises:
        ConfigurationError: the file cannot be read, or is empty.
    """
    if config.join_token_file is None:
        return environment.get(JOIN_TOKEN_VARIABLE, "").strip() or None
    try:
        token = Path(config.join_token_file).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) and has_joined(Path(config.state_dir)):
            return None
        raise ConfigurationError(f"join_token_file {config.join_token_file!r} cannot be read") from error
    if not token:
        raise ConfigurationError(f"join_token_file {config.join_token_file!r} is empty")
    return token


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sidecar",
        description="Serve the SPIFFE Workload API to the agents of this machine.",
        allow_abbrev=False,
        epilog=f"The join token comes from --join-token-file or ${JOIN_TOKEN_VARIABLE}, never from an argument.",
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file with the settings below")
    parser.add_argument("--issuer", metavar="URL", help="the issuer's public URL")
    parser.add_argument("--state-dir", metavar="DIR", help="holds the sidecar's key")
    parser.add_argument("--socket-dir", metavar="DIR", help="where the sockets are served (/run/remit)")
    parser.add_argument("--join-token-file", metavar="FILE", help="needed only the first time")
    parser.add_argument("--name", help="refuse to join as another sidecar")
    parser.add_argument("--ca-file", metavar="FILE", help="PEM certificates to trust for the issuer")
    parser.add_argument(
        "--status-poll-seconds", type=float, metavar="N", help="how often status lists are read without events (1)"
    )
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--log-format", choices=["auto", "console", "json"])
    parser.add_argument("--ready-fd", type=int, metavar="N", help="write one line of JSON here once serving")
    return parser


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    known = set(SidecarConfig.__struct_fields__) | {"config"}
    settings: dict[str, object] = {}
    for variable, value in environment.items():
        if not variable.startswith(_PREFIX) or variable in _OF_AGENTS:
            continue
        key = variable.removeprefix(_PREFIX).lower()
        if key not in known:
            raise ConfigurationError(f"{variable} is not a setting", hint="unset it, or correct its name")
        settings[key] = value
    settings.pop("config", None)
    return settings


def _from_file(path: Path) -> dict[str, object]:
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"the configuration file {str(path)!r} cannot be read: {error}") from error
    folder = path.resolve().parent
    return settings | {key: str(folder / settings[key]) for key in _PATHS if isinstance(settings.get(key), str)}


def _check(config: SidecarConfig) -> None:
    check_origin(config.issuer)
    if len(os.fsencode(config.workload_socket)) > _MAX_SOCKET_PATH:
        raise ConfigurationError(f"socket_dir is too long: a socket's path has at most {_MAX_SOCKET_PATH} bytes")
