"""Delegation over HTTP: a form to `/token` with a proof, by whatever key, and bent however a test likes."""

import time
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.http.exchange import ACCESS_TOKEN, GRANT_TYPE
from remit.dpop import create_proof
from tests.fakes.issuer_process import AUDIENCE, SidecarClient, wanted

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Exchange:
    """The token endpoint, as one holder of a key sees it."""

    def __init__(self, url: str, http: httpx.Client, key: ec.EllipticCurvePrivateKey) -> None:
        self.url = f"{url}/token"
        self.key = key
        self.nonce: str | None = None
        self._http = http

    @classmethod
    def of(cls, sidecar: SidecarClient) -> "Exchange":
        """The endpoint as a sidecar sees it."""
        return cls(sidecar.url, sidecar.http, sidecar.key)

    def form(self, token: str, agent: str, **changed: Any) -> dict[str, str]:
        """The parameters of a delegation, but for those that are `changed` (None takes one away)."""
        fields = {
            "grant_type": GRANT_TYPE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "agent": agent,
            "audience": AUDIENCE,
            **changed,
        }
        return {name: str(value) for name, value in fields.items() if value is not None}

    def delegate(self, token: str, agent: str, **changed: Any) -> httpx.Response:
        """A proved delegation; once more when the nonce was old."""
        form = self.form(token, agent, **changed)
        answer = self.send(form)
        return self.send(form) if answer.json().get("error") == "use_dpop_nonce" else answer

    def send(self, form: dict[str, str], *, proof: str | None = None, **bent: Any) -> httpx.Response:
        """One request; its proof is a good one but for what is `bent`, or the one that is given ("" sends none)."""
        body = urlencode(form).encode()
        proof = self.proof(body, **bent) if proof is None else proof
        headers = {**FORM, "DPoP": proof} if proof else FORM
        answer = self._http.post(self.url, content=body, headers=headers)
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        return answer

    def proof(self, body: bytes, /, **bent: Any) -> str:
        """A proof for one request that covers its body."""
        said = {"method": "POST", "url": self.url, "now": int(time.time()), "nonce": self.nonce, "body": body, **bent}
        return create_proof(said.pop("key", self.key), said.pop("method"), said.pop("url"), **said)


def parents_token(sidecar: SidecarClient, uid: int = 1000, **more: Any) -> str:
    """A token for the token endpoint, of the agent whose process has this uid."""
    (result,) = sidecar.issue(wanted(uid, **{"audience": f"{sidecar.url}/token", **more}))
    assert "credentials" in result, result
    return str(result["credentials"][0]["token"])
