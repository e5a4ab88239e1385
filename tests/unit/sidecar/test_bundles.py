"""The bundle and those who watch it."""

import asyncio
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.bundle import Bundle
from remit.errors import RefusedError, UnavailableError
from remit.ids import TrustDomain
from remit.jose import public_jwk
from sidecar.bundles import Bundles, Watch, jwks_of

TRUST_DOMAIN = TrustDomain.parse("example.org")


def bundle(*kids: str) -> Bundle:
    keys = [{"kid": kid, "use": "jwt-svid", **KEY} for kid in kids]
    other = {"kid": "x509", "use": "x509-svid", **KEY}
    return Bundle.parse(json.dumps({"keys": [*keys, other], "spiffe_sequence": 1}).encode(), TRUST_DOMAIN)


KEY = public_jwk(ec.generate_private_key(ec.SECP256R1()))


def test_the_jwk_set_is_plain() -> None:
    """Only JWT-SVID keys, no `use`, none of the bundle's own members, always in the same order."""
    expected = {"keys": [{"kid": "a", **KEY}, {"kid": "b", **KEY}]}
    assert json.loads(jwks_of(bundle("b", "a"))) == expected


async def test_nothing_is_watched_before_it_is_loaded() -> None:
    """An empty bundle would mean that nobody is trusted."""
    with pytest.raises(UnavailableError):
        await anext(Bundles().states(Watch()))


async def test_a_watcher_gets_the_state_at_once_and_each_change() -> None:
    """The same keys again are no change; other keys are."""
    bundles = Bundles()
    bundles.update(bundle("a"))
    watch = bundles.states(Watch())
    assert [key["kid"] for key in json.loads((await anext(watch))[1])["keys"]] == ["a"]
    following = asyncio.ensure_future(anext(watch))
    bundles.update(bundle("a"))
    await asyncio.sleep(0)
    assert not following.done()
    bundles.update(bundle("a", "b"))
    assert [key["kid"] for key in json.loads((await following)[1])["keys"]] == ["a", "b"]


async def test_closing_ends_every_watch_with_unavailable() -> None:
    """Never with a quiet end: clients would not come back."""
    bundles = Bundles()
    bundles.update(bundle("a"))
    watch = bundles.states(Watch())
    await anext(watch)
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    bundles.close()
    with pytest.raises(UnavailableError):
        await following


async def test_a_watch_ends_with_what_it_is_told() -> None:
    """Its end is told once and for good, before the next state, and concerns no other watch."""
    bundles = Bundles()
    bundles.update(bundle("a"))
    lost, kept = Watch(), Watch()
    losing, keeping = bundles.states(lost), bundles.states(kept)
    await anext(losing)
    await anext(keeping)
    following = asyncio.ensure_future(anext(keeping))
    lost.end(RefusedError("no entry matches", code="no_entry"))
    lost.end(UnavailableError("too late"))
    bundles.update(bundle("a", "b"))
    with pytest.raises(RefusedError, match="no entry"):
        await anext(losing)
    assert len(json.loads((await following)[1])["keys"]) == 2
