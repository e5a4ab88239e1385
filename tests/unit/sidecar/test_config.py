"""The sidecar's configuration."""

from pathlib import Path

import pytest

from remit.errors import ConfigurationError
from sidecar.config import SidecarConfig, join_token, load

ARGUMENTS = ["--issuer", "https://issuer.example.org", "--state-dir", "/state", "--socket-dir", "/s"]


def test_arguments_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    """Each setting comes from the nearest place that gives it."""
    file = tmp_path / "sidecar.toml"
    file.write_text(
        'issuer = "https://file.example.org"\nstate_dir = "/file"\ncache_size = 7\nsocket_dir = "/file-s"\n'
    )
    environment = {"REMIT_SIDECAR_STATE_DIR": "/variable", "REMIT_SIDECAR_SOCKET_DIR": "/variable-s"}
    config = load(["--config", str(file), "--socket-dir", "/argument-s"], environment)
    assert (config.issuer, config.state_dir, config.socket_dir, config.cache_size) == (
        "https://file.example.org",
        "/variable",
        "/argument-s",
        7,
    )


def test_numbers_in_variables_are_read_as_numbers() -> None:
    """Variables are text; their settings are not."""
    assert load(ARGUMENTS, {"REMIT_SIDECAR_CACHE_SIZE": "12"}).cache_size == 12
    assert load(ARGUMENTS, {"REMIT_SIDECAR_STATUS_POLL_SECONDS": "0.2"}).status_poll_seconds == 0.2


def test_relative_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    """Wherever it is started from; those of arguments and variables are relative to the current folder."""
    file = tmp_path / "sidecar.toml"
    file.write_text('state_dir = "state"\nsocket_dir = "run"\njoin_token_file = "/abs/token"\nca_file = "ca.pem"\n')
    environment = {"REMIT_ISSUER": "https://issuer.example.org", "REMIT_SIDECAR_CA_FILE": "other.pem"}
    config = load(["--config", str(file), "--socket-dir", "sockets"], environment)
    assert config.state_dir == str(tmp_path / "state")
    assert (config.socket_dir, config.join_token_file, config.ca_file) == ("sockets", "/abs/token", "other.pem")


def test_the_issuer_of_the_environment_is_a_default() -> None:
    """`REMIT_ISSUER`, which the command line tool knows too, is enough."""
    config = load(["--state-dir", "/state"], {"REMIT_ISSUER": "https://issuer.example.org"})
    assert config.issuer == "https://issuer.example.org"
    assert config.workload_socket == Path("/run/remit/workload.sock")


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--state-dir", "/s"], {}, "issuer"),
        (["--issuer", "https://i.example.org"], {}, "state_dir"),
        ([*ARGUMENTS[2:], "--issuer", "http://issuer.example.org"], {}, "issuer.example.org"),
        ([*ARGUMENTS[2:], "--issuer", "https://issuer.example.org/"], {}, "issuer.example.org/"),
        ([*ARGUMENTS[2:], "--issuer", "issuer.example.org"], {}, "issuer.example.org"),
        ([*ARGUMENTS, "--socket-dir", "/" + "d" * 120], {}, "socket_dir"),
        (ARGUMENTS, {"REMIT_SIDECAR_CACHE_SIZE": "many"}, "cache_size"),
        (ARGUMENTS, {"REMIT_SIDECAR_CACHE_SIZE": "0"}, "cache_size"),
        (ARGUMENTS, {"REMIT_SIDECAR_STATUS_POLL_SECONDS": "0.05"}, "status_poll_seconds"),
        (ARGUMENTS, {"REMIT_SIDECAR_STATUS_POLL_SECONDS": "5.1"}, "status_poll_seconds"),
        (ARGUMENTS, {"REMIT_SIDECAR_STATE_DRI": "/x"}, "REMIT_SIDECAR_STATE_DRI"),
        ([*ARGUMENTS, "--config", "/nowhere/sidecar.toml"], {}, "/nowhere/sidecar.toml"),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], environment: dict[str, str], named: str) -> None:
    """Whatever is missing, misspelt or wrong: the message says which."""
    with pytest.raises(ConfigurationError, match=named):
        load(arguments, environment)


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    """A misspelt key is never silently a default."""
    file = tmp_path / "sidecar.toml"
    file.write_text('sockets = "/s"\n')
    with pytest.raises(ConfigurationError, match="sockets"):
        load([*ARGUMENTS, "--config", str(file)], {})


def test_the_variable_that_agents_are_given_is_not_a_setting() -> None:
    """`REMIT_SIDECAR_SOCKET` is told to agents; a sidecar that inherits it starts all the same."""
    assert load(ARGUMENTS, {"REMIT_SIDECAR_SOCKET": "/run/remit/remit.sock"}).socket_dir == "/s"


def test_a_join_token_is_no_argument() -> None:
    """Arguments are visible to every user of the machine."""
    with pytest.raises(SystemExit):
        load([*ARGUMENTS, "--join-token", "remit_join_x"], {})


def config(tmp_path: Path, token_file: Path | None = None) -> SidecarConfig:
    return SidecarConfig(
        issuer="https://issuer.example.org",
        state_dir=str(tmp_path),
        join_token_file=None if token_file is None else str(token_file),
    )


def test_the_join_token_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """The file wins; white space around the token is not part of it."""
    file = tmp_path / "token"
    file.write_text("remit_join_file\n")
    environment = {"REMIT_JOIN_TOKEN": "remit_join_variable"}
    assert join_token(config(tmp_path, file), environment) == "remit_join_file"
    assert join_token(config(tmp_path), environment) == "remit_join_variable"
    assert join_token(config(tmp_path), {}) is None


def test_a_join_token_file_that_is_gone_matters_only_before_joining(tmp_path: Path) -> None:
    """After joining, whoever cleans up used tokens does not stop the sidecar."""
    gone = config(tmp_path, tmp_path / "token")
    with pytest.raises(ConfigurationError, match="join_token_file"):
        join_token(gone, {})
    (tmp_path / "membership.json").write_text("{}")
    assert join_token(gone, {}) is None


def test_an_empty_join_token_file_is_an_error(tmp_path: Path) -> None:
    """Empty is a mistake, not "no token"."""
    file = tmp_path / "token"
    file.touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        join_token(config(tmp_path, file), {})
