"""WSGI: a middleware for Flask, Django and bare applications; no framework is imported.

    verifier = remit.Verifier(issuer="https://issuer.example.org", audience="https://api.example.com")
    verifier.__enter__()              # or `with verifier:` around the server; it accepts nothing before it is entered
    app.wsgi_app = RemitMiddleware(app.wsgi_app, verifier, public_url="https://api.example.com", exempt=("/healthz",))

The application finds the credential at `environ["remit.credential"]` (Flask: `request.environ[...]`). A `ScopeRefusedError` that
it lets out, from `credential.authorize`, becomes a 403, unless the framework answers it first. Proofs are compared with `public_url`,
never with the request's `Host`. Under a server that forks its workers, one verifier entered before the fork serves each of them.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import quote

from remit.errors import RefusedError, ScopeRefusedError
from remit.integrations._challenge import ENVIRON_KEY, Guard, Refusal, TokenVerifier
from remit.nonces import ProofNonces

Environ = dict[str, Any]  # PEP 3333: values of mixed types
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class RemitMiddleware:
    """Lets only verified requests through to `app`."""

    def __init__(
        self,
        app: Application,
        verifier: TokenVerifier,
        *,
        public_url: str | None = None,
        exempt: Iterable[str] = (),
        nonces: ProofNonces | None = None,
    ) -> None:
        """Wrap `app`.

        Args:
            app: the application.
            verifier: accepts or refuses tokens; the program enters and leaves it.
            public_url: the URL under which clients reach the application; without it, tokens bound to a key are refused.
            exempt: the exact paths that need no credential.
            nonces: gives the nonces that proofs must carry (RFC 9449 section 9); one object, or one key, for all who serve this URL.

        Raises:
            ConfigurationError: `public_url` or `exempt` is not what it should be.
        """
        self._app = app
        self._guard = Guard(verifier, public_url=public_url, exempt=exempt, nonces=nonces)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if self._guard.exempts(_decoded(path)):
            return self._app(environ, start_response)
        try:
            environ[ENVIRON_KEY] = self._guard.admit(
                environ["REQUEST_METHOD"],
                quote(path.encode("latin-1")),
                _values(environ, "HTTP_AUTHORIZATION"),
                _values(environ, "HTTP_DPOP"),
            )
        except RefusedError as error:
            return _refuse(self._guard.refusal(error), start_response)
        try:
            return self._app(environ, start_response)
        except ScopeRefusedError as error:
            return _refuse(self._guard.refusal(error), start_response)


def _refuse(refusal: Refusal, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", list(refusal.headers))
    return [refusal.body]


def _values(environ: Environ, name: str) -> list[str]:
    """The header's values; servers join repeated headers with a comma, which no token and no proof has."""
    return environ[name].split(",") if name in environ else []


def _decoded(path: str) -> str:
    """The path as text: PEP 3333 hands its bytes over as latin-1."""
    return path.encode("latin-1").decode("utf-8", "replace")
