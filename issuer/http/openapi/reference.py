"""docs/reference/openapi.json: the description of an example issuer."""

import json
from typing import Final

from issuer.http.openapi.document import document

EXAMPLE_URL: Final = "https://issuer.example.org"
"""The issuer that the reference describes."""


def reference() -> str:
    """The text of docs/reference/openapi.json."""
    return json.dumps(document(EXAMPLE_URL), indent=2, ensure_ascii=False) + "\n"
