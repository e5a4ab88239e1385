"""A real OIDC provider (and SPIFFE bundle endpoint) over loopback, whose every answer a test may bend."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from remit.jose import b64url_encode, public_jwk, sign_raw


class SigningKey:
    """A private key with a kid; signs whatever it is told to."""

    def __init__(self, kid: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> None:
        self.kid = kid
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.alg = "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"

    def jwk(self, **members: str) -> dict[str, str]:
        """The public half."""
        return {"kid": self.kid, **public_jwk(self.key), **members}

    def sign(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """A compact JWS; `header` members replace the usual ones, None takes one away."""
        members = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}
        head = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signing_input = f"{b64url_encode(head)}.{b64url_encode(payload)}"
        return f"{signing_input}.{b64url_encode(self._signature(signing_input.encode()))}"

    def _signature(self, signing_input: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signing_input, padding.PKCS1v15(), hashes.SHA256())
        return sign_raw(signing_input, self.key)


class OIDCProvider:
    """What the provider answers, open to change.

    Attributes:
        url: its issuer URL.
        keys: that sign and are published; the first signs.
        discovery: members that replace those of the discovery document.
        documents: raw answers by path, in place of the usual ones.
        redirects: where a path redirects to.
        requests: the paths that were asked for, in order.
        sequence, refresh_hint: of the SPIFFE bundle.
    """

    def __init__(self, *keys: SigningKey) -> None:
        self.url = ""
        self.keys = list(keys) or [SigningKey("key-1")]
        self.discovery: dict[str, Any] = {}
        self.documents: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        self.sequence: int | None = 1
        self.refresh_hint: int | None = None

    def sign(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """A token by the first key."""
        return self.keys[0].sign(claims, **header)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        path = request.path
        self.requests.append(path)
        if path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[path]})
        if path in self.documents:
            return web.Response(body=self.documents[path])
        if path.endswith("/.well-known/openid-configuration"):
            return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery})
        if path == "/keys":
            return web.json_response({"keys": [key.jwk() for key in self.keys]})
        if path == "/bundle":
            numbers = {"spiffe_sequence": self.sequence, "spiffe_refresh_hint": self.refresh_hint}
            present = {name: value for name, value in numbers.items() if value is not None}
            return web.json_response({"keys": [key.jwk(use="jwt-svid") for key in self.keys], **present})
        return web.Response(status=404)


@asynccontextmanager
async def serve(provider: OIDCProvider) -> AsyncIterator[OIDCProvider]:
    """Serve on a free loopback port; sets the provider's `url`."""
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider.url = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
