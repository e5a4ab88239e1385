"""What the reference pages show works as it stands."""

import re
import tomllib
from pathlib import Path

import pytest

from attestors.configuring import AttestorHost
from attestors.http_client import AiohttpClient
from attestors.oidc import PRESETS, OIDCAttestor
from attestors.plugins import load_attestors
from attestors.spiffe import SPIFFEAttestor
from remit.ids import TrustDomain

PAGES = Path(__file__).parents[3] / "docs/reference/attestors"
HOST = AttestorHost("https://issuer.example.org", TrustDomain.parse("example.org"), 5, AiohttpClient())


def tables(page: str, name: str) -> list[object]:
    blocks = re.findall(r"^```toml\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    found = [table for block in blocks for table in tomllib.loads(block)[name]]
    assert found
    return found


def test_the_shown_configurations_are_accepted() -> None:
    """Every table on the pages can be copied."""
    assert OIDCAttestor.from_settings(tables("oidc.md", "oidc"), HOST)
    assert SPIFFEAttestor.from_settings(tables("spiffe.md", "spiffe"), HOST)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_described_with_all_it_exposes(name: str) -> None:
    """Nothing is exposed that the page does not name, and each preset says what an entry needs at least."""
    page = (PAGES / "oidc.md").read_text()
    section = page.partition(f"### {name}\n")[2].partition("\n##")[0]
    assert "Least selectors" in section
    assert set(PRESETS[name].claims) <= set(re.findall(r"`([^`]+)`", section.partition("Exposed:")[2]))


def test_every_attestor_has_its_page() -> None:
    """One page each."""
    assert {page.stem for page in PAGES.glob("*.md")} >= set(load_attestors({}, HOST))
