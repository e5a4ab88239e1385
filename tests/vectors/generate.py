"""Writes the token vectors, one file each: `python -m tests.vectors.generate`. The same run gives the same bytes."""

import json
from pathlib import Path

from tests.vectors.hostile import good, hostile

FOLDER = Path(__file__).parent / "tokens"


def documents():
    """File name to content: `code` is what a verifier must answer, null when it must accept."""
    vectors = {name: (None, token) for name, token in good().items()} | hostile()
    return {
        f"{name}.json": json.dumps({"code": code, "token": token}, indent=1) + "\n"
        for name, (code, token) in vectors.items()
    }


def main():
    """Replace the folder's files."""
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for name, content in documents().items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    main()
