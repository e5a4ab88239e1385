"""Whatever is lost, late, repeated or out of order: nothing withdrawn is accepted beyond the staleness bound, and one honest read heals."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from remit.bundle import Bundle
from remit.credential import StatusReference
from remit.errors import RefusedError
from remit.ids import TrustDomain
from remit.jose import public_jwk
from remit.secevent import StatusEvent, StatusMark
from remit.statuslist import INVALID, SUSPENDED, VALID, StatusList, StatusListToken
from remit.verifier.core import check_status
from remit.verifier.following import follow
from remit.verifier.state import Deadlines, Moment, Snapshot
from tests.fakes.known import issuer_state
from tests.vectors import world

BOUND = 3.0
LEEWAY = 2
INDEXES = range(4)
URIS = [f"{world.ISSUER}/statuslists/{number}" for number in (1, 2, 3)]
LONG = Deadlines(world.NOW + 1e6, 1e6)


class Issuer:
    """What is true: statuses, head and keys, since when each is as it is, and all that was ever signed."""

    def __init__(self):
        self.elapsed = 0.0
        self.head = 0
        self.history = {}
        self.statuses = {uri: dict.fromkeys(INDEXES, VALID) for uri in URIS[:2]}
        self.withdrawn_at = {}
        self.kid, self.sequence = 1, 1
        self.tainted_at = {}
        self.events = []
        self.lists = []
        self.bundles = []
        self.publish_bundle()
        self.advance()

    @property
    def iat(self):
        return world.NOW + int(self.elapsed)

    def publish_bundle(self):
        key = public_jwk(world.KEY) | {"kid": f"key-{self.kid}", "use": "jwt-svid"}
        document = json.dumps({"keys": [key], "spiffe_sequence": self.sequence}).encode()
        self.bundles.append(Bundle.parse(document, TrustDomain(world.TRUST_DOMAIN)))

    def set_statuses(self, uris, index, value):
        for uri in uris:
            self.statuses[uri][index] = value
            if value == VALID:
                self.withdrawn_at.pop((uri, index), None)
            else:
                self.withdrawn_at.setdefault((uri, index), self.elapsed)
        self.advance()

    def advance(self):
        self.head += 1
        self.history[self.head] = {uri: dict(statuses) for uri, statuses in self.statuses.items()}

    def tell(self, **content):
        seq, bundle_seq = self.head, self.sequence
        self.events.append(
            StatusEvent(issuer=world.ISSUER, issued_at=self.iat, seq=seq, bundle_seq=bundle_seq, **content)
        )

    def sign_lists(self):
        for uri, statuses in self.statuses.items():
            packed = StatusList.pack(statuses, size=64)
            self.lists.append(StatusListToken(uri, self.iat, self.iat + 60, 1, self.head, packed, self.sequence))


class Following(RuleBasedStateMachine):
    """A verifier that gets any of what was signed, in any order, any number of times, while both clocks go on."""

    @initialize(skew=st.sampled_from([0, 0, -LEEWAY, LEEWAY]))
    def load(self, skew):
        self.issuer, self.skew = Issuer(), skew
        self.state = issuer_state().with_bundle(self.issuer.bundles[0], LONG)
        self.issuer.sign_lists()
        for token in self.issuer.lists:
            self.state = self.state.with_list(token, self.now, BOUND)

    @property
    def now(self):
        return Moment(world.NOW + self.issuer.elapsed + self.skew, self.issuer.elapsed)

    def _hear(self, events):
        known = [event for event in events if event.issued_at - LEEWAY <= self.now.wall]
        self.state = follow(self.state, known, self.now, BOUND).state

    def _read(self, token):
        if token.issued_at - LEEWAY <= self.now.wall < token.expires_at + LEEWAY:
            self.state = self.state.with_list(token, self.now, BOUND)

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0]))
    def wait(self, seconds):
        self.issuer.elapsed += seconds

    @rule(number=st.integers(0, 2), index=st.sampled_from(INDEXES), value=st.sampled_from([VALID, INVALID, SUSPENDED]))
    def change(self, number, index, value):
        """A status changes, and an event tells of it."""
        uri = URIS[number]
        if uri in self.issuer.statuses:
            self.issuer.set_statuses([uri], index, value)
            self.issuer.tell(marks=(StatusMark(uri, index, value),))

    @rule(value=st.sampled_from([VALID, INVALID, SUSPENDED]))
    def change_many(self, value):
        """More than an event can name: it says which lists to read."""
        self.issuer.set_statuses(self.issuer.statuses, 0, value)
        self.issuer.tell(lists=tuple(self.issuer.statuses))

    @rule()
    def add_list(self):
        self.issuer.statuses.setdefault(URIS[2], dict.fromkeys(INDEXES, VALID))

    @rule(told=st.booleans())
    def taint(self, told):
        """The signing key is taken back; whether an event says so, or only the number of the bundle does."""
        self.issuer.tainted_at[f"key-{self.issuer.kid}"] = self.issuer.elapsed
        tainted, self.issuer.kid = f"key-{self.issuer.kid}", self.issuer.kid + 1
        self.issuer.sequence += 1
        self.issuer.publish_bundle()
        if told:
            self.issuer.advance()
            self.issuer.tell(keys=(tainted,))

    @rule(heard=st.booleans())
    def beat(self, heard):
        """A heartbeat, which arrives whatever became of the events before it, or later, or never."""
        self.issuer.tell()
        if heard:
            self._hear(self.issuer.events[-1:])

    @rule()
    def sign(self):
        self.issuer.sign_lists()

    @rule(data=st.data())
    def hear(self, data):
        """Some of the last events arrive in any order, some twice, some never."""
        recent = self.issuer.events[-8:]
        if recent:
            self._hear(data.draw(st.lists(st.sampled_from(recent), min_size=1, max_size=6)))

    @rule()
    def hear_next(self):
        """The stream as it should be: what follows on what is applied, and a heartbeat."""
        self.issuer.tell()
        self._hear(
            [event for event in self.issuer.events if event.is_heartbeat or event.seq > self.state.applied][-40:]
        )

    @rule(data=st.data())
    def read_list(self, data):
        """A list is read, perhaps out of a cache."""
        self._read(data.draw(st.sampled_from(self.issuer.lists[-6:])))

    @rule(data=st.data())
    def read_bundle(self, data):
        """The bundle is read, perhaps out of a cache."""
        self.state = self.state.with_bundle(data.draw(st.sampled_from(self.issuer.bundles[-3:])), LONG)

    @rule()
    def catch_up(self):
        """Everything is read as it is now: then everything is known, and as it is."""
        self.issuer.sign_lists()
        self.state = self.state.with_bundle(self.issuer.bundles[-1], LONG)
        for token in self.issuer.lists[-len(self.issuer.statuses) :]:
            self._read(token)
        assert not self.state.lacks_changes
        assert not self.state.lacks_bundle
        assert set(self.state.bundle.keys) == {f"key-{self.issuer.kid}"}
        for uri, statuses in self.issuer.statuses.items():
            for index, value in statuses.items():
                assert self._accepts(uri, index) is (value == VALID)

    def _accepts(self, uri, index):
        try:
            check_status(StatusReference(uri, index), Snapshot([self.state]).lists.get(uri), self.now)
        except RefusedError:
            return False
        return True

    @invariant()
    def nothing_withdrawn_is_accepted_beyond_the_bound(self):
        for (uri, index), since in self.issuer.withdrawn_at.items():
            if self.issuer.elapsed > since + BOUND + max(0, -self.skew):
                assert not self._accepts(uri, index)

    @invariant()
    def no_key_that_was_taken_back_is_trusted_beyond_the_bound(self):
        fresh = any(self._accepts(uri, index) for uri in URIS for index in INDEXES)
        for kid, since in self.issuer.tainted_at.items():
            if fresh and self.issuer.elapsed > since + BOUND + max(0, -self.skew):
                assert kid not in self.state.bundle.keys

    @invariant()
    def what_is_applied_is_enforced(self):
        """What an acknowledgement says is so: each status is as it was at that head, or at a later one."""
        since = [self.issuer.history[seq] for seq in range(self.state.applied, self.issuer.head + 1)]
        for uri, known in self.state.lists.items():
            for index in INDEXES:
                value = StatusList(2, known.data).get(index)
                assert any(statuses.get(uri, {}).get(index, VALID) == value for statuses in since)


Following.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
test_following = pytest.mark.timeout(240)(Following.TestCase)
