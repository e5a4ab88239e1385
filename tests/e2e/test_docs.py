"""Every block of every page runs, as its reader would run it, inside one `remit dev` a page.

`sh` blocks run as they stand; a `python` or `toml` block that begins with `# name.ext` is saved under that name, any other
`python` block is executed. Lines that begin with `make ` are the commands that run these tests, and are left out. `json` must parse.
Relative links must lead somewhere.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p
    for p in (*ROOT.glob("*.md"), *ROOT.glob("remit/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("docs/**/*.md"))
)
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {"sh", "python", "toml"}
SHOWN = {"json", "mermaid", "text", "ini", "yaml", "http"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


def script(page: Path) -> str:
    """The page's runnable blocks as one bash script."""
    return "\n".join(step(language, body) for language, body in blocks(page) if language in RUN)


def step(language: str, body: str) -> str:
    if language == "sh":
        return "\n".join(line for line in body.splitlines() if not line.startswith("make "))
    named = re.match(r"# ([\w./-]+\.(?:py|toml))\n", body)
    if named:
        return f"mkdir -p $(dirname {named[1]}); cat > {named[1]} <<'END_OF_BLOCK'\n{body}END_OF_BLOCK"
    return f"python - <<'END_OF_BLOCK'\n{body}END_OF_BLOCK"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if any(language in RUN for language, _ in blocks(p))], ids=name)
def test_page_runs(page: Path, tmp_path: Path):
    """What the page tells its reader to do works, in order."""
    body = script(page)
    if not body.strip():
        return
    (tmp_path / "page.sh").write_text("set -euo pipefail\n" + body)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    command = ["remit", "dev", "--", "bash", "page.sh"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_is_well_formed(page: Path):
    """Blocks have a language that is run or shown, JSON parses, relative links lead somewhere."""
    for language, body in blocks(page):
        assert language in RUN | SHOWN, f"a block of {language!r} is neither run nor shown"
        if language == "json":
            json.loads(body)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{target} leads nowhere"
