"""The web application: every route, and what surrounds them.

From the outside in: metering (time, a name for the request), then problems (whatever goes wrong becomes a problem document and
leaves an audit record), then the route. Bodies are bounded before they are read.
"""

from aiohttp import web

from issuer.http import admin, did, discovery, health, introspect, issue, keys, openapi, revoke, status, token
from issuer.http.agent_keys import KeyRoutes
from issuer.http.attest import AttestRoutes
from issuer.http.metering import metered
from issuer.http.middleware import problems_and_records
from issuer.http.operators import OperatorGate
from issuer.http.providers import ProviderGate
from issuer.http.requests import BODY_SECONDS, MAX_BODY_BYTES
from issuer.http.sidecars import SidecarGate, send_nonce
from issuer.http.tasks import TaskRoutes
from issuer.http.verifiers import VerifierRoutes
from issuer.services import Services


def make_app(services: Services) -> web.Application:
    """The application that serves `services`."""
    app = web.Application(
        middlewares=[metered, problems_and_records(services.audit, services.clock_ms)],
        client_max_size=MAX_BODY_BYTES,
    )
    app[BODY_SECONDS] = services.config.http.request_seconds
    operators = OperatorGate(services.registry, services.clock_ms)
    sidecars = SidecarGate(services)
    providers = ProviderGate(services.providers, services.clock_ms)
    app.add_routes(openapi.routes(services.config.url))
    app.add_routes(discovery.routes(services.config))
    app.add_routes(keys.routes(services, operators))
    app.add_routes(status.routes(services, providers))
    app.add_routes(did.routes(services))
    app.add_routes(health.routes(services, operators))
    app.add_routes(token.routes(services, sidecars))
    app.add_routes(revoke.routes(services, operators, sidecars))
    app.add_routes(introspect.routes(services, providers))
    app.add_routes(issue.routes(services, sidecars))
    app.add_routes(TaskRoutes(services, sidecars).routes())
    app.add_routes(AttestRoutes(services, sidecars).routes())
    app.add_routes(KeyRoutes(services, sidecars).routes())
    app.add_routes(VerifierRoutes(services, providers).routes())
    app.add_routes(admin.routes(services))
    app.on_response_prepare.append(send_nonce)
    app.on_startup.append(lambda _app: services.feed.start())
    app.on_startup.append(lambda _app: services.enforcement.start())
    app.on_startup.append(lambda _app: services.tasks.start())
    app.on_shutdown.append(lambda _app: services.tasks.close())
    app.on_shutdown.append(lambda _app: services.enforcement.close())
    app.on_shutdown.append(lambda _app: services.feed.close())  # before requests in flight are waited for
    return app
