"""Somebody else's keys: how often they are fetched, and how long they are believed."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestors.errors import EvidenceRefusedError
from attestors.keysource import MAX_AGE_SECONDS, RETRY_SECONDS, KeySource, LoadedKeys
from remit.jose import PublicKey, public_jwk

NOW = 1_800_000_000
REFRESH = 300


class Owner:
    """Publishes keys, or fails to."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.fetches = 0

    async def load(self) -> LoadedKeys:
        self.fetches += 1
        await asyncio.sleep(0)
        if not self.kids:
            raise EvidenceRefusedError("down", code="evidence_unavailable")
        return LoadedKeys({kid: key(kid) for kid in self.kids}, REFRESH)


def key(kid: str) -> PublicKey:
    return PublicKey.from_jwk({"kid": kid, **public_jwk(ec.generate_private_key(ec.SECP256R1()))})


async def code_of(source: KeySource, kid: str, now: int) -> str:
    with pytest.raises(EvidenceRefusedError) as refused:
        await source.key(kid, now)
    return refused.value.code


async def test_unknown_kids_do_not_cause_a_flood() -> None:
    """However many are shown, one fetch in each interval; a new key is found by the next one."""
    owner = Owner("a")
    source = KeySource("owner", owner.load)
    assert (await source.key("a", NOW)).kid == "a"
    owner.kids = ("a", "b")
    for attempt in range(50):
        assert await code_of(source, f"unknown-{attempt}", NOW + 1) == "evidence_refused"
    assert owner.fetches == 1
    assert (await source.key("b", NOW + RETRY_SECONDS)).kid == "b"
    assert owner.fetches == 2


async def test_requests_at_once_share_a_fetch() -> None:
    """One fetch serves all that wait for it."""
    owner = Owner("a")
    source = KeySource("owner", owner.load)
    await asyncio.gather(*(source.key("a", NOW) for _ in range(20)))
    assert owner.fetches == 1


async def test_an_owner_that_is_down_is_not_asked_again_at_once() -> None:
    """A failed fetch counts against the interval too."""
    owner = Owner()
    source = KeySource("owner", owner.load)
    for _ in range(5):
        assert await code_of(source, "a", NOW) == "evidence_unavailable"
    assert owner.fetches == 1


async def test_a_withdrawn_key_ends_with_the_refresh() -> None:
    """After the refresh time the keys are fetched again, and what is gone is gone."""
    owner = Owner("a", "b")
    source = KeySource("owner", owner.load)
    await source.key("a", NOW)
    owner.kids = ("b",)
    assert await source.key("a", NOW + REFRESH - 1)
    assert await code_of(source, "a", NOW + REFRESH) == "evidence_refused"


async def test_old_keys_serve_while_the_owner_is_down_but_not_for_ever() -> None:
    """Up to the longest age, then nothing is accepted."""
    owner = Owner("a")
    source = KeySource("owner", owner.load)
    await source.key("a", NOW)
    owner.kids = ()
    assert await source.key("a", NOW + MAX_AGE_SECONDS)
    assert await code_of(source, "a", NOW + MAX_AGE_SECONDS + 1) == "evidence_unavailable"
    assert await code_of(source, "a", NOW + 2 * MAX_AGE_SECONDS) == "evidence_unavailable"


async def test_a_clock_that_was_set_back_makes_keys_old() -> None:
    """Keys of the future are fetched again rather than believed until then."""
    owner = Owner("a")
    source = KeySource("owner", owner.load)
    await source.key("a", NOW)
    await source.key("a", NOW - 7200)
    assert owner.fetches == 2
