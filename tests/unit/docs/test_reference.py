"""The reference pages say what the source says: nothing is missing, nothing is invented, nothing goes stale."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

import issuer.serving
import remit
from issuer.http.problems import problem
from remit.errors import RemitError
from sidecar.config import SidecarConfig
from sidecar.metrics import Metrics

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs/reference"
SOURCES = [path for name in ("remit", "attestors", "issuer", "sidecar", "cli") for path in (ROOT / name).rglob("*.py")]
CODE = re.compile(r"""(?:\bcode=|\bdefault_code[^=\n]*= )"([a-z_]+)\"""")


def rows(page: str, section: str = "") -> list[list[str]]:
    """The cells of every table row on a page, or of one section of it, without heads and rules."""
    text = (REFERENCE / page).read_text()
    if section:
        text = text.partition(f"## {section}")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [re.split(r" *\| *", line) for line in lines if line.startswith("`")]


def named(text: str) -> set[str]:
    """What stands between backticks, blocks left out."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)))


def test_every_code_is_listed():
    """A program that meets a code finds it on the page."""
    raised = {code for path in SOURCES for code in CODE.findall(path.read_text())}
    assert len(raised) > 50
    assert raised - named((REFERENCE / "errors.md").read_text()) == set()


def test_no_code_is_invented():
    """Each code in the first column of a table is one that the source knows."""
    source = "".join(path.read_text() for path in SOURCES)
    listed = {code for cells in rows("errors.md") for code in named(cells[0])}
    assert {code for code in listed if f'"{code}"' not in source} == set()


def test_the_issuers_statuses_are_right():
    """What the page says is the status is what the issuer answers."""
    listed = {code: int(cells[1]) for cells in rows("errors.md", "Issuer") for code in named(cells[0])}
    assert listed == {code: problem(RemitError("x", code=code)).status for code in listed}
    assert listed.keys() >= {"no_entry", "use_dpop_nonce", "overloaded"}


def test_every_setting_of_the_sidecar_is_listed():
    """With its default, as far as that is a value."""
    fields = {field.name: field for field in msgspec.structs.fields(SidecarConfig)}
    listed = {key: cells[1].strip("`") for cells in rows("sidecar.md") for key in named(cells[0])}
    assert listed.keys() == fields.keys()
    for key, default in listed.items():
        if fields[key].required:
            assert default == "required"
        elif fields[key].default is not None:
            assert default == str(fields[key].default)


def test_every_public_name_of_the_library_is_listed():
    """And none that is not public."""
    page = (REFERENCE / "library.md").read_text()
    assert set(remit.__all__) - named(page) == set()
    first = {name for cells in rows("library.md") for name in named(cells[0]) if "." not in name}
    assert first - set(remit.__all__) == set()


@pytest.mark.parametrize(
    ("section", "registry"),
    [("Issuer", REGISTRY), ("Sidecar", Metrics().registry)],
    ids=["issuer", "sidecar"],
)
def test_every_metric_is_listed(section: str, registry: Collector):
    """Under the name that Prometheus sees."""
    assert issuer.serving is not None  # importing it is what registers the issuer's
    known = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
        if family.name.startswith("remit_")
    }
    assert {name for cells in rows("metrics.md", section) for name in named(cells[0])} == known


def test_every_environment_variable_is_listed():
    """Those that the source names as a whole; the ones that are made of keys are described by their form."""
    whole = re.compile(r'"((?:REMIT|SPIFFE)_[A-Z_]*[A-Z])"')
    used = {name for path in SOURCES for name in whole.findall(path.read_text()) if "__" not in name}
    assert used - named((REFERENCE / "environment.md").read_text()) == set()


def test_the_shown_routes_exist():
    """Each path on the page is in the description that is tested against the issuer."""
    described = (REFERENCE / "openapi.json").read_text()
    paths = re.findall(
        r"(/(?:v1|\.well-known|statuslists|status|account|healthz)[\w./{}-]*)", (REFERENCE / "http-api.md").read_text()
    )
    shown = {path for path in paths if not path.endswith(("/", "v1/admin"))}
    assert {path for path in shown if f'"{path}"' not in described} == set()
