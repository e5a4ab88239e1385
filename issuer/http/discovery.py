"""`/.well-known/…`: the issuer's metadata (OpenID Connect Discovery 1.0, RFC 8414), one document at both places."""

from collections.abc import Iterable

from aiohttp import web

from issuer.config import Config
from issuer.http.answers import answer
from issuer.http.exchange import GRANT_TYPE

_PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def metadata(config: Config) -> dict[str, object]:
    """The metadata document; our own names stand beside the registered ones."""
    url = config.url
    return {
        "issuer": url,
        "jwks_uri": f"{url}/keys",
        "token_endpoint": f"{url}/token",
        "revocation_endpoint": f"{url}/revoke",
        "introspection_endpoint": f"{url}/introspect",
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_details_types_supported": ["agent_spend"],
        "claims_supported": [
            *("iss", "sub", "aud", "iat", "nbf", "exp", "jti"),
            *("tenant", "sub_profile", "parent_agent", "amr", "on_behalf_of", "txn", "authorization_details"),
            *("status", "cnf"),
        ],
        "status_list_aggregation_endpoint": f"{url}/statuslists",
        "status_jwks_uri": f"{url}/status/keys",
        "status_events_endpoint": f"{url}/status/events",
        "status_verifiers_endpoint": f"{url}/status/verifiers",
        "spiffe_trust_domain": config.trust_domain,
        "spiffe_bundle_endpoint": f"{url}/bundle",
    }


def routes(config: Config) -> Iterable[web.RouteDef]:
    """The routes of the metadata."""
    document = metadata(config)

    async def serve(_request: web.Request) -> web.Response:
        return answer(document, cache="public, max-age=60")

    return [web.get(path, serve) for path in _PATHS]
