"""A token seen before is looked at again on every call: its time, its status, both clocks, the keys, and the need of a proof."""

import pytest

from remit.errors import (
    ProofRefusedError,
    RevokedError,
    StaleError,
    SuspendedError,
    TokenExpiredError,
    TokenInvalidError,
)
from remit.jose import public_jwk
from remit.statuslist import StatusList
from remit.verifier.acceptor import Acceptor
from remit.verifier.state import Moment, Snapshot
from tests.fakes.known import STALENESS, issuer_state, list_token
from tests.vectors import world

TOKEN = world.sign(world.claims())


class _Watch:
    """A watch whose knowledge and clocks the test sets."""

    def __init__(self):
        self.nudges = 0
        self.snapshot = Snapshot()
        self.wall = world.NOW + 1.0
        self.boot = 1.0
        self.know({})

    def know(self, statuses, *, seconds=0, bundle=None):
        """A list made `seconds` after the first one, or with a bundle an issuer that is known anew."""
        previous = self.snapshot
        known = previous.issuers.get(world.ISSUER) if bundle is None else None
        token = list_token(issued_at=world.NOW + seconds, statuses=StatusList.pack(statuses, size=world.LIST_SIZE))
        received = Moment(float(world.NOW + seconds), float(seconds))
        self.snapshot = Snapshot(
            [(known or issuer_state(bundle=bundle)).with_list(token, received, STALENESS)], previous
        )

    def loaded(self):
        return self.snapshot

    def nudge(self):
        self.nudges += 1


@pytest.fixture
def watch(monkeypatch):
    watch = _Watch()
    monkeypatch.setattr("remit.verifier.acceptor.time", lambda: watch.wall)
    monkeypatch.setattr("remit.verifier.acceptor.clock_gettime", lambda _: watch.boot)
    monkeypatch.setattr("remit.verifier.acceptor.read_clocks", lambda: Moment(watch.wall, watch.boot))
    return watch


@pytest.fixture
def acceptor(watch):
    """An acceptor that has seen the token."""
    acceptor = Acceptor(watch, world.AUDIENCE)
    acceptor.verify(TOKEN)
    return acceptor


def test_a_seen_token_has_the_same_credential(acceptor):
    """Nothing is verified or built again."""
    assert acceptor.verify(TOKEN) is acceptor.verify(str(TOKEN))


@pytest.mark.parametrize(
    ("wall", "boot", "expected"),
    [
        (world.NOW + 10.5, 1.0, StaleError),
        (world.NOW + 1.0, 10.5, StaleError),
        (world.NOW + 306.0, 1.0, TokenExpiredError),
        (world.NOW - 6.0, 1.0, TokenExpiredError),
    ],
    ids=["wall-clock", "boot-clock", "expired", "clock-set-back"],
)
def test_a_seen_token_is_refused_by_either_clock(acceptor, watch, wall, boot, expected):
    """Both clocks are read on every call, and the token's period is compared anew."""
    watch.wall, watch.boot = wall, boot
    with pytest.raises(expected):
        acceptor.verify(TOKEN)


@pytest.mark.parametrize(("status", "expected"), [(1, RevokedError), (2, SuspendedError)])
def test_a_seen_token_is_refused_by_its_status(acceptor, watch, status, expected):
    """The status bits are read from the newest list; a resumed grant is accepted again."""
    watch.know({412: status}, seconds=2)
    with pytest.raises(expected):
        acceptor.verify(TOKEN)
    watch.know({}, seconds=3)
    assert acceptor.verify(TOKEN).account == "acme"


def test_a_seen_token_is_refused_when_its_key_changed(acceptor, watch):
    """Another key under the same kid: the remembered signature counts no more."""
    watch.know({}, bundle={"keys": [public_jwk(world.FOREIGN_KEY) | {"kid": "key-1", "use": "jwt-svid"}]})
    with pytest.raises(TokenInvalidError):
        acceptor.verify(TOKEN)


def test_a_seen_token_is_refused_when_its_list_is_gone_or_too_short(acceptor, watch):
    """No status is never a good status."""
    watch.snapshot.lists[world.LIST] = (*watch.snapshot.lists[world.LIST][:2], b"\0")
    with pytest.raises(TokenInvalidError):
        acceptor.verify(TOKEN)
    watch.snapshot.lists.clear()
    with pytest.raises(TokenInvalidError):
        acceptor.verify(TOKEN)


def test_a_seen_token_is_refused_with_a_proof(acceptor):
    """The token is bound to no key, so a proof is a misunderstanding."""
    with pytest.raises(ProofRefusedError):
        acceptor.verify(TOKEN, proof="x", method="GET", url="https://api.example.com/")


def test_an_unknown_key_or_list_makes_the_watch_look(acceptor, watch):
    """Other refusals do not."""
    other_list = {"status_list": {"idx": 1, "uri": world.LIST + "0"}}
    for token in (world.sign(world.claims(), world.header(kid="key-9")), world.sign(world.claims(status=other_list))):
        with pytest.raises(TokenInvalidError):
            acceptor.verify(token)
    assert watch.nudges == 2
    with pytest.raises(TokenInvalidError):
        acceptor.verify(TOKEN + "x")
    assert watch.nudges == 2
