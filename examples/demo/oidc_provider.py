"""A small local OIDC provider: stands in for a CI system or a cloud that gives its workloads ID tokens.

    python oidc_provider.py PORT

`POST /id-token` (form: `audience`, `sub` and any further claims) answers `{"value": <RS256 ID token>}`, as a CI
runner's token service does. Its keys live and die with the process.
"""

import json
import sys
import time
import uuid

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KID = "demo-1"


def main() -> None:
    port = int(sys.argv[1])
    issuer = f"http://localhost:{port}"

    async def discovery(_: web.Request) -> web.Response:
        document = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.json_response(document)

    async def jwks(_: web.Request) -> web.Response:
        key = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
        return web.json_response({"keys": [key | {"kid": KID, "use": "sig", "alg": "RS256"}]})

    async def id_token(request: web.Request) -> web.Response:
        claims: dict[str, object] = dict(await request.post())
        now = int(time.time())
        claims |= {"iss": issuer, "aud": claims.pop("audience"), "iat": now, "nbf": now, "exp": now + 300}
        claims["jti"] = str(uuid.uuid4())
        return web.json_response({"value": jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": KID})})

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", discovery)
    app.router.add_get("/jwks", jwks)
    app.router.add_post("/id-token", id_token)
    web.run_app(app, host="localhost", port=port, print=None)


if __name__ == "__main__":
    main()
