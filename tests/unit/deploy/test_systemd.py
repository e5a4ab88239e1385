"""The systemd units start commands that exist, in folders that they may write, and drop what they do not need."""

import re
import shlex
from pathlib import Path

import pytest

from issuer.config import HTTPConfig

ROOT = Path(__file__).parents[3]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


def settings(unit: Path) -> dict[str, list[str]]:
    """Every value of every key, in order; keys may come twice."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_there_are_units():
    """One for each program that runs for long."""
    assert {unit.stem for unit in UNITS} == {"remit-issuer", "remit-sidecar"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_command_exists(unit: Path):
    """The reference, which is generated from the command, knows its words and options."""
    _, *words = shlex.split(settings(unit)["ExecStart"][0])
    verbs = [word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
    reference = (ROOT / "docs/reference/cli.md").read_text()
    section = reference.partition(f"\n## remit {' '.join(verbs)}\n")[2].partition("\n## ")[0]
    assert section
    assert all(f"`{option} " in section for option in words if option.startswith("--"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_is_confined(unit: Path):
    """A user of its own, no way to more privileges, a file system that it cannot write but for its state."""
    found = settings(unit)
    assert found["User"][0] not in ("", "root")
    for key in (
        "NoNewPrivileges",
        "RestrictNamespaces",
        "RestrictSUIDSGID",
        "MemoryDenyWriteExecute",
        "PrivateDevices",
    ):
        assert found[key] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["StateDirectoryMode"] == ["0700"]


def test_the_issuer_stops_in_time():
    """Systemd waits longer than the issuer takes to finish what is in flight."""
    unit = next(unit for unit in UNITS if unit.stem == "remit-issuer")
    assert int(settings(unit)["TimeoutStopSec"][0]) > HTTPConfig().shutdown_seconds
