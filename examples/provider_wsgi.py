"""An API provider on plain WSGI (Flask and Django are wrapped in the same way): sells `POST /v1/messages` to agents.

REMIT_ISSUER=https://issuer.example.org python provider_wsgi.py [PORT]
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import make_server

import remit
from remit.integrations.wsgi import RemitMiddleware

API = "https://api.example.com"  # the name that agents ask tokens for: yours, wherever this process listens
PRICES = {"model-a": remit.Amount.parse("0.05 USD"), "model-b": remit.Amount.parse("0.40 USD")}


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/healthz":
        answer: dict[str, object] = {"status": "ok"}
    else:
        model = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["model"]
        credential: remit.Credential = environ["remit.credential"]
        call = credential.authorize(location=f"{API}/v1/messages", action="invoke", model=model, amount=PRICES[model])
        answer = {"agent": str(call.agent), "account": call.account, "task": call.task, "model": model}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def main() -> None:
    port = int((sys.argv[1:] or ["8080"])[0])
    with remit.Verifier(issuer=os.environ["REMIT_ISSUER"], audience=API) as verifier:
        guarded = RemitMiddleware(application, verifier, public_url=API, exempt=("/healthz",))
        with make_server("localhost", port, guarded) as server:
            server.serve_forever()


if __name__ == "__main__":
    main()
