"""An agent that calls a provider with requests.

remit run --agent acme/planner -- python agent_requests.py URL
"""

import sys

import requests

import remit
from remit.integrations.requests import Auth

AUDIENCE = "https://api.example.com"


def main() -> int:
    with requests.Session() as http:
        http.auth = Auth(audience=AUDIENCE, task="task-81", reason="model-a is enough for a summary")
        try:
            answer = http.post(f"{sys.argv[1]}/v1/messages", json={"model": "model-a"}, timeout=10)
        except remit.RemitError as error:  # the sidecar has no token for this process
            print(f"no token: {error.code}: {error}", file=sys.stderr)
            return 1
    print(answer.text)
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main())
