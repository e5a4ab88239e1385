"""Keys: `/keys` for JWT stacks, `/bundle` for SPIFFE, `/status/keys` for readers of status lists, `/v1/admin/keys` for operators.

Two public documents for the same keys, because ordinary JWT stacks refuse `use: jwt-svid` and SPIFFE asks for it.
"""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import Listed
from issuer.keys import KeySet, Phase, Purpose, SigningKey
from issuer.registry.roles import Action
from issuer.services import Services

_JWKS = "application/jwk-set+json"


class RotateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which key to rotate: the one that signs tokens, unless it says otherwise."""

    purpose: Purpose = Purpose.TOKEN


class KeyDescription(msgspec.Struct, frozen=True):
    """A signing key as operators see it; times in unix seconds."""

    kid: str
    alg: str
    purpose: Purpose
    state: Phase
    issuer: str
    created_at: int
    activates_at: int
    retires_at: int | None

    @classmethod
    def of(cls, key: SigningKey, keys: KeySet, now: int) -> "KeyDescription":
        """Describe `key`, one of `keys`, as it is at `now`."""
        return cls(
            kid=key.kid,
            alg="ES256",
            purpose=key.purpose,
            state=keys.phase(key, now),
            issuer=key.instance,
            created_at=key.created_at,
            activates_at=key.activates_at,
            retires_at=key.retires_at,
        )


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation did: the key that was prepared, and the one that signs until it takes over."""

    prepared: KeyDescription
    active: KeyDescription


def routes(services: Services, gate: OperatorGate) -> Iterable[web.RouteDef]:
    """The routes of keys."""
    public, operated = _PublicKeys(services), _OperatedKeys(services, gate)
    return [
        web.get("/keys", public.keys),
        web.get("/status/keys", public.status_keys),
        web.get("/bundle", public.bundle),
        web.get("/v1/admin/keys", operated.listed),
        web.post("/v1/admin/keys/rotate", operated.rotate),
    ]


class _PublicKeys:
    """What everybody may fetch."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hint = services.config.keys.refresh_hint_seconds
        self._cache = f"public, max-age={self._hint}"

    async def keys(self, _request: web.Request) -> web.Response:
        """Serve the token keys as a plain JWK set."""
        return await self._jwks(Purpose.TOKEN)

    async def status_keys(self, _request: web.Request) -> web.Response:
        """Serve the status keys as a plain JWK set."""
        return await self._jwks(Purpose.STATUS)

    async def bundle(self, _request: web.Request) -> web.Response:
        """Serve the token keys as a SPIFFE bundle; `alg` is left out there (Trust Domain and Bundle, section 4.2)."""
        published = await self._services.keys.published(Purpose.TOKEN, now=self._services.now())
        document = {
            "keys": [key.jwk | {"kid": key.kid, "use": "jwt-svid"} for key in published.keys],
            "spiffe_sequence": published.sequence,
            "spiffe_refresh_hint": self._hint,
        }
        return answer(document, cache=self._cache)

    async def _jwks(self, purpose: Purpose) -> web.Response:
        published = await self._services.keys.published(purpose, now=self._services.now())
        keys = [key.jwk | {"kid": key.kid, "use": "sig", "alg": "ES256"} for key in published.keys]
        return answer({"keys": keys}, cache=self._cache, media_type=_JWKS)


class _OperatedKeys:
    """What operators see and do."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._services = services
        self._gate = gate

    async def listed(self, request: web.Request) -> web.Response:
        """List every key there ever was, the newest last."""
        await self._gate.admit(request, Action.OVERSEE)
        now = self._services.now()
        keys = await self._services.keys.all()
        by_age = sorted(keys.keys, key=lambda key: (key.created_at, key.kid))
        return answer(Listed([KeyDescription.of(key, keys, now) for key in by_age], None))

    async def rotate(self, request: web.Request) -> web.Response:
        """Prepare the next key."""
        change, wanted = await self._gate.change(request, Action.ADMINISTER, RotateRequest)
        rotation = await self._services.keys.rotate(change, wanted.purpose)
        keys = KeySet((rotation.active, rotation.prepared))
        active, prepared = (KeyDescription.of(key, keys, change.now) for key in keys.keys)
        return answer(Rotated(prepared, active))
