"""The two distributions: what each brings, and that they stay together."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built from the tree: `{"remit": path, "remit_server": path}`."""
    out = tmp_path_factory.mktemp("wheels")
    for source in (ROOT / "remit", ROOT):
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return {wheel.name.split("-")[0]: wheel for wheel in out.glob("*.whl")}


def top_level_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name.split("/")[0] for name in archive.namelist() if ".dist-info/" not in name}


def requirements(wheel: Path) -> set[str]:
    """The names of the base dependencies."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist", [])
    return {re.split(r"[^A-Za-z0-9-]", line)[0] for line in lines if "extra ==" not in line}


def test_the_library_brings_one_name_and_three_dependencies(wheels: dict[str, Path]):
    """An API provider's environment gets `remit` and nothing beside it."""
    assert top_level_names(wheels["remit"]) == {"remit"}
    assert requirements(wheels["remit"]) == {"cryptography", "msgspec", "pyjwt"}


def test_the_server_brings_the_rest(wheels: dict[str, Path]):
    """The server distribution holds the application packages and not the library."""
    assert top_level_names(wheels["remit_server"]) == {"issuer", "attestors", "sidecar", "cli"}
    assert "remit" in requirements(wheels["remit_server"])


def test_the_wheels_hold_every_source_file(wheels: dict[str, Path]):
    """No module, schema or marker file is forgotten by the include lists."""
    for wheel, packages in (
        (wheels["remit"], ["remit"]),
        (wheels["remit_server"], ["issuer", "attestors", "sidecar", "cli"]),
    ):
        with zipfile.ZipFile(wheel) as archive:
            packed = set(archive.namelist())
        tracked = subprocess.run(
            ["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        wanted = {name for name in tracked if name.endswith((".py", ".sql", ".typed", ".pyi"))}
        assert wanted <= packed | {"remit/pyproject.toml"}, wanted - packed


def test_the_library_imports_alone(wheels: dict[str, Path], tmp_path: Path):
    """Installed by itself, `import remit` works without any application package."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
    subprocess.run([*pip, str(tmp_path), str(wheels["remit"])], check=True, capture_output=True)
    check = (
        "import importlib.util, sys; sys.path = [p for p in sys.path if p != sys.argv[2]]; sys.path.insert(0, sys.argv[1]);"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__.lower() + repr(f).lower()];"
        "import remit; assert remit.__file__.startswith(sys.argv[1]), remit.__file__; remit.Verifier;"
        "print(sorted(n for n in ('issuer', 'attestors', 'sidecar', 'cli') if n in sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", check, str(tmp_path), str(ROOT)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == "[]"


def test_both_distributions_have_one_version():
    """`remit-server` asks for the `remit` of its own version."""
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    library = tomllib.loads((ROOT / "remit" / "pyproject.toml").read_text())["project"]
    assert server["version"] == library["version"] == importlib.metadata.version("remit")
    assert f"remit=={library['version']}" in server["dependencies"]


def test_the_lock_names_no_host_and_hashes_everything():
    """The lock installs from whatever index the machine uses, and only what was locked."""
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links)", text, re.MULTILINE)
    pinned = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in pinned)
