"""`python -m sidecar`: what `remit sidecar run` execs. See `sidecar.serving.main` for the exit codes."""

import os
import sys

# libuv starts four threads; looking up the issuer's name needs one.
os.environ.setdefault("UV_THREADPOOL_SIZE", "1")
# structlog imports rich where it finds it, for coloured tracebacks: 3 MB that a sidecar never uses.
sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's own word for "not there" (PEP 328)

# aiohttp loads the system's authorities when it is imported: 2 MB. The sidecar makes a TLS context of its own if it needs one.
given = dict(os.environ)
os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)

from sidecar.serving import main  # noqa: E402 - after the lines above, or they have no effect

os.environ.clear()
os.environ.update(given)

sys.exit(main())
