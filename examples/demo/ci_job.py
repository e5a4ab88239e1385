"""A job of a CI system: trades the ID token that the system gave it for an agent token, and calls the provider.

    python ci_job.py ISSUER OIDC_PROVIDER PROVIDER

There is no sidecar here: the workload shows its evidence to the token endpoint itself (RFC 8693).
"""

import json
import sys

import httpx


def main() -> None:
    issuer, oidc_provider, provider = sys.argv[1:]
    claims = {"audience": issuer, "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app"}
    evidence = httpx.post(f"{oidc_provider}/id-token", data=claims).json()["value"]
    exchange = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": evidence,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": provider,
    }
    exchanged = httpx.post(f"{issuer}/token", data=exchange)
    if exchanged.status_code != 200:
        print(json.dumps({"status": 0, **exchanged.json()}))
        return
    headers = {"Authorization": f"Bearer {exchanged.json()['access_token']}"}
    answer = httpx.post(f"{provider}/v1/messages", json={"model": "model-a"}, headers=headers)
    print(json.dumps({"status": answer.status_code, **answer.json()}))


if __name__ == "__main__":
    main()
