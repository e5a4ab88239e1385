"""Every block of every page runs, as its reader would run it: inside one `remit dev` a page, or in a plain shell if it serves itself.

`sh` blocks run as they stand; a `python` or `toml` block that begins with `# name.ext` is saved under that name, with
`# name.ext, continued` it is added to it; any other `python` block is executed. Lines that begin with `make ` are the commands that run
these tests, and are left out. A line that ends with `|| echo "refused…"` must be refused. `json` must parse, `remit.toml` and
`sidecar.toml` must be configurations. Relative links must lead somewhere.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sidecar.config
from attestors.configuring import AttestorHost
from attestors.http_client import AiohttpClient
from attestors.oidc import OIDCAttestor
from attestors.spiffe import SPIFFEAttestor
from issuer.config import load

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p
    for p in (*ROOT.glob("*.md"), *ROOT.glob("remit/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("docs/**/*.md"))
)
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))(, continued)?\n")
REFUSED = re.compile(r"^(\S.*) \|\| (echo \"refused.*\")$")
RUN = {"sh", "python", "toml"}
SHOWN = {"json", "mermaid", "text", "console", "ini", "yaml", "http"}
PROLOGUE = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


def script(page: Path) -> str:
    """The page's runnable blocks as one bash script."""
    return "\n".join(step(language, body) for language, body in blocks(page) if language in RUN)


def step(language: str, body: str) -> str:
    if language == "sh":
        return "\n".join(command(line) for line in body.splitlines() if not line.startswith("make "))
    if file := FILE.match(body):
        into = ">>" if file[2] else ">"
        return f"mkdir -p $(dirname {file[1]}); cat {into} {file[1]} <<'END_OF_BLOCK'\n{body}END_OF_BLOCK"
    assert language == "python", "a toml block begins with the name of its file"
    return f"python - <<'END_OF_BLOCK'\n{body}END_OF_BLOCK"


def command(line: str) -> str:
    """A line of a `sh` block; what is said to be refused fails the page when it is not."""
    refused = REFUSED.match(line)
    if refused is None:
        return line
    complaint = shlex.quote(f"not refused: {refused[1]}")
    return f"if {refused[1]}; then echo {complaint} >&2; exit 1; else {refused[2]}; fi"


def shell(body: str) -> list[str]:
    """How the reader runs the page: inside `remit dev`, unless the page is about an issuer of one's own."""
    plain = ["bash", "page.sh"]
    if re.search(r"^remit serve", body, re.MULTILINE):
        return ["timeout", "--kill-after=5", "100", *plain]  # it ends what the page started in the background too
    return ["remit", "dev", "--", *plain]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if any(language in RUN for language, _ in blocks(p))], ids=name)
def test_page_runs(page: Path, tmp_path: Path):
    """What the page tells its reader to do works, in order."""
    body = script(page)
    if not body.strip():
        return
    (tmp_path / "page.sh").write_text(PROLOGUE + body + "\n")
    for example in (ROOT / "examples").glob("*.py") if page.parent == ROOT / "examples" else ():
        shutil.copy(example, tmp_path)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("REMIT_", "SPIFFE_"))}
    environment = ours | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    ran = subprocess.run(
        shell(body),
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
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


@pytest.mark.parametrize("page", [p for p in PAGES if "```toml" in p.read_text()], ids=name)
def test_configurations_load(page: Path, tmp_path: Path):
    """A `remit.toml` is one that an issuer starts with, its attestors included; a `sidecar.toml` one that a sidecar starts with."""
    files: dict[str, str] = {}
    for language, body in blocks(page):
        if language == "toml" and (file := FILE.match(body)):
            made_by_init = 'trust_domain = "example.org"\n'
            files[file[1]] = (files.get(file[1], made_by_init) if file[2] else "") + body
    for file, text in files.items():
        (tmp_path / "read.toml").write_text(text)
        if Path(file).name == "remit.toml":
            config = load(tmp_path / "read.toml", {})
            url = config.public_url or "http://localhost:8750"
            host = AttestorHost(url, config.domain, config.tokens.leeway_seconds, AiohttpClient())
            assert OIDCAttestor.from_settings(list(config.oidc), host)
            assert SPIFFEAttestor.from_settings(list(config.spiffe), host)
        elif Path(file).name == "sidecar.toml":
            assert sidecar.config.load(["--config", str(tmp_path / "read.toml")], {})
