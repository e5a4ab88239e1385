"""An agent that calls a provider with httpx. It handles no secret: the sidecar beside it gives it tokens.

    remit run --agent acme/planner -- python agent_httpx.py URL

`URL` is where the provider listens; the audience is the name under which it accepts tokens.
"""

import sys

import httpx

import remit
from remit.integrations.httpx import Auth

AUDIENCE = "https://api.example.com"


def main() -> int:
    auth = Auth(audience=AUDIENCE, task="task-81", reason="model-a is enough for a summary")
    with httpx.Client(base_url=sys.argv[1], auth=auth) as http:
        try:
            answer = http.post("/v1/messages", json={"model": "model-a"})
        except remit.RemitError as error:  # the sidecar has no token for this process
            print(f"no token: {error.code}: {error}", file=sys.stderr)
            return 1
    print(answer.text)
    return 0 if answer.is_success else 1


if __name__ == "__main__":
    sys.exit(main())
