"""Attestors of other distributions: installed for real, found by their entry point."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from attestors.base import AppraisalContext, Origin
from attestors.configuring import AttestorHost
from attestors.http_client import AiohttpClient
from attestors.plugins import load_attestors
from remit.errors import ConfigurationError
from remit.ids import TrustDomain

HOST = AttestorHost("https://issuer.example.org", TrustDomain.parse("example.org"), 5, AiohttpClient())
OURS = {"join_token", "oidc", "process", "spiffe"}
PLUGIN = """
from attestors.base import Appraisal, Attestor, Origin

class BadgeAttestor(Attestor):
    name = "{name}"
    origins = frozenset({{Origin.DIRECT}})
    selector_types = frozenset({{"{selector_type}"}})

    @classmethod
    def from_settings(cls, settings, host):
        attestor = cls()
        attestor.door = (settings or {{}}).get("door", "front")
        return attestor

    async def _appraise(self, evidence, context):
        return Appraisal(frozenset({{"{selector_type}:door:" + self.door}}), "a badge")
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Build and install a distribution with one attestor into a folder of its own, on the path for this test."""
    modules: list[str] = []

    def install(
        name: str = "badge", selector_type: str = "badge", target: str = "BadgeAttestor", declared: str = ""
    ) -> None:
        number = len(modules)
        module = f"remit_badge_{number}"
        source, site = tmp_path / f"source-{number}", tmp_path / f"site-{number}"
        source.mkdir()
        (source / f"{module}.py").write_text(PLUGIN.format(name=declared or name, selector_type=selector_type))
        (source / "pyproject.toml").write_text(
            f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{module}"\nversion = "1"\n'
            f'[project.entry-points."remit.attestors"]\n{name} = "{module}:{target}"\n'
            f'[tool.hatch.build.targets.wheel]\ninclude = ["{module}.py"]\n'
        )
        _pip("install", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site), str(source))
        monkeypatch.syspath_prepend(str(site))
        invalidate_caches()
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def test_our_own_are_found() -> None:
    """Remit's attestors come the same way as anybody's."""
    assert load_attestors({}, HOST).keys() == OURS


async def test_a_third_party_attestor_is_installed(install: Install) -> None:
    """Installing its distribution is all; its table in the configuration reaches it."""
    install()
    attestors = load_attestors({"badge": {"door": "back"}}, HOST)
    assert attestors.keys() == {*OURS, "badge"}
    appraisal = await attestors["badge"].appraise(b"{}", AppraisalContext(0, Origin.DIRECT))
    assert appraisal.selectors == {"badge:door:back"}


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ({"name": "process", "selector_type": "mine"}, "two attestors are named 'process'"),
        ({"selector_type": "unix"}, "both give 'unix'"),
        ({"target": "Missing"}, "does not load"),
        ({"target": "Appraisal"}, "is not an Attestor"),
        ({"declared": "other"}, "registered as 'badge'"),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused(install: Install, plugin: dict[str, str], words: str) -> None:
    """Names and selector types belong to one attestor each; what does not load is an error, not a gap."""
    install(**plugin)
    with pytest.raises(ConfigurationError, match=words):
        load_attestors({}, HOST)


def test_settings_for_nobody_are_refused() -> None:
    """A misspelt table is not silently ignored; nor are settings that an attestor does not take."""
    with pytest.raises(ConfigurationError, match="'oicd'"):
        load_attestors({"oicd": {}}, HOST)
    with pytest.raises(ConfigurationError, match="no settings"):
        load_attestors({"process": {"x": 1}}, HOST)
