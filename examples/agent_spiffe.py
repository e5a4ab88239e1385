"""An agent that knows nothing of Remit: py-spiffe, as it is, against the sidecar's Workload API.

    remit run --agent acme/planner -- python agent_spiffe.py URL

Any SPIFFE client in any language does the same; `SPIFFE_ENDPOINT_SOCKET` tells it where the sidecar is. What the Workload API
cannot say (task, narrower scope, reason) is what `remit.Client` is for.
"""

import sys

import httpx
from spiffe import JwtSource, WorkloadApiClient

AUDIENCE = "https://api.example.com"


def main() -> int:
    with WorkloadApiClient() as workload:
        svid = workload.fetch_jwt_svid(audience={AUDIENCE})
    print(f"this is {svid.spiffe_id}", file=sys.stderr)
    with JwtSource() as source:  # the same for a program that lives long: it keeps the bundles current
        svid = source.fetch_svid(audience={AUDIENCE})
        headers = {"Authorization": f"Bearer {svid.token}"}
        answer = httpx.post(f"{sys.argv[1]}/v1/messages", json={"model": "model-a"}, headers=headers)
    print(answer.text)
    return 0 if answer.is_success else 1


if __name__ == "__main__":
    sys.exit(main())
