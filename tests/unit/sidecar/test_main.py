"""What `python -m sidecar` does before anything else: import less than its libraries would."""

import json
import os
import subprocess
import sys

SOURCE = """
import contextlib, io, json, os, runpy, ssl, sys
sys.argv = ["sidecar", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    runpy.run_module("sidecar", run_name="__main__")
from aiohttp import connector
print(json.dumps({
    "environment": dict(os.environ),
    "loaded": connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"],
    "rich": sys.modules["rich"] is not None,
}))
"""


def test_what_is_never_used_is_not_loaded() -> None:
    """Neither rich nor a second set of authorities; the environment is left as it was, for the context that is used."""
    environment = {**os.environ, "SSL_CERT_FILE": "/etc/ssl/mine.pem", "UV_THREADPOOL_SIZE": "1"}
    environment.pop("SSL_CERT_DIR", None)
    seen = json.loads(subprocess.check_output([sys.executable, "-c", SOURCE], env=environment))
    assert seen == {"environment": environment, "loaded": 0, "rich": False}
