"""An agent: calls the provider and prints what it was answered, one JSON object a line. It handles no secret.

    remit run --agent acme/planner -- python agent.py PROVIDER [--model M] [--until-refused]

`--until-refused` repeats the call until the answer is no longer 200.
"""

import argparse
import json
import time

import httpx

from remit import RemitError
from remit.integrations.httpx import Auth


def call(client: httpx.Client, model: str) -> dict[str, object]:
    """Make one call; its outcome as a JSON-able object."""
    try:
        answer = client.post("/v1/messages", json={"model": model})
    except RemitError as error:  # the sidecar gave no token
        return {"status": 0, "code": error.code, "at": time.time()}
    return {"status": answer.status_code, **answer.json(), "at": time.time()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("provider")
    parser.add_argument("--model", default="model-a")
    parser.add_argument("--until-refused", action="store_true")
    options = parser.parse_args()
    with httpx.Client(base_url=options.provider, auth=Auth(audience=options.provider)) as client:
        outcome = call(client, options.model)
        print(json.dumps(outcome), flush=True)
        while options.until_refused and outcome["status"] == 200:
            time.sleep(0.01)
            outcome = call(client, options.model)
        if options.until_refused:
            print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
