"""Checking histories: ours, those of the reference implementation, and hostile ones."""

import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from did_webvh.askar import AskarSigningKey
from did_webvh.core.state import DocumentState
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.webvh import verify_history
from remit.webvh.encoding import multihash, multikey
from remit.webvh.entry import METHOD, SCID_PLACEHOLDER, LogEntry, sign_entry, time_text

NOW = 1_800_000_000
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(8)]
PUBLIC = [multikey(key.public_key()) for key in KEYS]
HASHES = [multihash(key.encode()) for key in PUBLIC]


class Builder:
    """Writes histories, right ones unless told otherwise."""

    def __init__(self, *, portable=False, **parameters):
        given = {"method": METHOD, "scid": SCID_PLACEHOLDER, "updateKeys": [PUBLIC[0]], "nextKeyHashes": [HASHES[1]]}
        given |= {"portable": portable} | parameters
        document = {"id": f"did:webvh:{SCID_PLACEHOLDER}:a.example:x"}
        draft = LogEntry(SCID_PLACEHOLDER, time_text(NOW), given, document)
        self.scid = draft.hash_after(SCID_PLACEHOLDER)
        entry = msgspec.json.decode(draft.line().replace(SCID_PLACEHOLDER, self.scid), type=LogEntry)
        self.did = entry.state["id"]
        self.entries = []
        self.add(entry, self.scid, 0)

    def add(self, entry, predecessor, signer):
        number = len(self.entries) + 1
        numbered = msgspec.structs.replace(entry, version_id=f"{number}-{entry.hash_after(predecessor)}")
        self.entries.append(sign_entry(numbered, KEYS[signer]))

    def next(self, *, signer=None, seconds=1, state=None, left_out=(), **parameters):
        """Add an entry; returns self."""
        number, last = len(self.entries), self.entries[-1]
        given = {"updateKeys": [PUBLIC[number]], "nextKeyHashes": [HASHES[number + 1]]} | parameters
        given = {name: value for name, value in given.items() if name not in left_out}
        document = {"id": self.did, "version": number} if state is None else state
        entry = LogEntry("", time_text(last.at + seconds), given, document)
        self.add(entry, last.version_id, number if signer is None else signer)
        return self

    @property
    def lines(self):
        """The entries as text."""
        return [entry.line() for entry in self.entries]

    @property
    def log(self):
        """The history."""
        return "".join(f"{line}\n" for line in self.lines)


def verify(log, now=NOW + 100, did=None):
    return verify_history(log, now=now, did=did)


def refused(log, why, **options):
    with pytest.raises(InvalidInputError, match=why) as caught:
        verify(log, **options)
    assert caught.value.code == "history_invalid"


def test_a_history_is_its_versions():
    """Oldest first; the last names the DID."""
    built = Builder().next().next(seconds=5)
    history = verify(built.log, did=built.did)
    assert [(version.number, version.at, version.deactivated) for version in history.versions] == [
        (1, NOW, False),
        (2, NOW + 1, False),
        (3, NOW + 6, False),
    ]
    assert (history.did, history.scid) == (built.did, built.scid)


def test_the_end_of_a_did():
    """With keys that are committed to in advance it takes two entries."""
    built = Builder().next(nextKeyHashes=[]).next(signer=1, updateKeys=[], deactivated=True, left_out=["nextKeyHashes"])
    assert verify(built.log).versions[-1].deactivated
    refused(built.next(signer=1, left_out=["nextKeyHashes"]).log, "entry 4: it comes after the deactivation")


def test_the_reference_implementation_writes_what_is_accepted():
    """With and without commitments to keys, several versions."""
    keys = [AskarSigningKey.generate("ed25519") for _ in range(3)]
    names = [str(key.multikey) for key in keys]
    document = {"id": "did:webvh:{SCID}:a.example:x", "alsoKnownAs": ["did:web:a.example:x"]}
    state = DocumentState.initial({"updateKeys": names[:1]}, document, "2025-01-01T00:00:00Z")
    state.sign(keys[0])
    lines = [state.history_json()]
    for second, (change, signer) in enumerate(
        [
            ({"nextKeyHashes": [multihash(names[1].encode())]}, keys[0]),
            ({"updateKeys": [names[1]], "nextKeyHashes": []}, keys[1]),
            ({"deactivated": True}, keys[1]),
        ],
        1,
    ):
        state = state.create_next(params_update=change, timestamp=f"2025-01-01T00:00:0{second}Z")
        state.sign(signer)
        lines.append(state.history_json())
    history = verify("\n".join(lines))
    assert len(history.versions) == 4
    assert history.versions[-1].deactivated


@given(place=st.integers(0, 3000), character=st.sampled_from('aZ19{}",:-+ é\\'))
def test_no_character_can_be_changed(place, character):
    """Wherever it is, in a value, a hash, a signature or between."""
    log = Builder().next().next().log
    place %= len(log)
    changed = log[:place] + character + log[place + 1 :]
    if changed == log or json_of(changed) == json_of(log):
        return
    with pytest.raises(InvalidInputError):
        verify(changed)


def json_of(log):
    try:
        return [json.loads(line) for line in log.splitlines()]
    except ValueError:
        return log


@pytest.mark.parametrize("order", [[0, 2], [1, 2], [0, 2, 1], [0, 0, 1, 2], [2, 1, 0], [1]])
def test_entries_cannot_be_left_out_or_moved(order):
    """Each rests on the one before."""
    lines = Builder().next().next().lines
    with pytest.raises(InvalidInputError):
        verify("\n".join(lines[place] for place in order))


def test_entries_at_the_end_can_be_kept_back():
    """A history does not prove that it is the newest: compare it with what was seen before."""
    assert len(verify("\n".join(Builder().next().next().lines[:2])).versions) == 2


@pytest.mark.parametrize(
    ("built", "why"),
    [
        (Builder().next(signer=0), "signed by a key that may not"),
        (Builder().next(signer=5), "signed by a key that may not"),
        (Builder().next(updateKeys=[PUBLIC[5]], signer=5), "not one that the entry before committed to"),
        (Builder().next(updateKeys=[PUBLIC[1], PUBLIC[5]]), "not one that the entry before committed to"),
        (Builder().next(left_out=["updateKeys"]), "leaves out updateKeys"),
        (Builder().next(left_out=["nextKeyHashes"]), "leaves out updateKeys or nextKeyHashes"),
        (Builder(updateKeys=[PUBLIC[5]]), "signed by a key that may not"),
        (Builder(updateKeys=[]), "signed by a key that may not"),
        (Builder(scid="Qm" + "1" * 44), "its version id is not"),
        (Builder(scid=""), "its version id is not"),
        (Builder(method="did:webvh:0.5"), "its method is not"),
        (Builder().next(method="did:webvh:2.0"), "its method is not"),
        (Builder().next(scid="x"), "scid into no other"),
        (Builder().next(seconds=0), "not later than the entry before"),
        (Builder().next(seconds=-5), "not later than the entry before"),
        (Builder().next(seconds=100_000), "from the future"),
        (Builder(witness={"threshold": 1, "witnesses": []}), "has witnesses"),
        (Builder().next(surprise=1), "a parameter is unknown"),
        (Builder().next(deactivated="yes"), "a parameter is unknown or of another type"),
        (Builder().next(updateKeys=None), "leaves out updateKeys"),
        (Builder().next(portable=True), "becomes portable later"),
        (Builder().next(state={}), "has no id"),
        (Builder().next(state={"id": "did:webvh:x:a.example:x"}), "not of this DID"),
        (Builder().next(state={"id": "did:web:a.example:x"}), "not of this DID"),
    ],
)
def test_hostile_histories_are_refused(built, why):
    """However well each entry is made otherwise."""
    refused(built.log, why)


def test_a_first_entry_for_another_scid_is_refused():
    """Even if its hashes and its signature are made for that SCID."""
    wanted = Builder(ttl=60).scid
    built = Builder()
    entry = msgspec.json.decode(built.lines[0].replace(built.scid, wanted), type=LogEntry)
    built.entries = []
    built.add(entry, wanted, 0)
    refused(built.log, "the SCID is not the hash")


def test_a_history_moves_only_if_it_said_so_at_first():
    """And only while it names the DID that it had."""
    for portable, also, good in [(True, True, True), (True, False, False), (False, True, False)]:
        built = Builder(portable=portable)
        moved = {"id": built.did.replace("a.example", "b.example"), "alsoKnownAs": [built.did] if also else []}
        built.next(state=moved)
        if good:
            assert verify(built.log).did == moved["id"]
        else:
            refused(built.log, "moves to another DID")


def test_another_history_is_not_the_one_that_was_asked_for():
    """However valid it is."""
    refused(Builder().log, "another DID's", did=Builder(ttl=60).did)


@pytest.mark.parametrize(
    "log", ["", "\n", "x", "[]", "{}", '{"a":1,"a":2}', "\x00", "é", "\ud800", '{"versionId":1}', "[" * 100_000, "null"]
)
def test_what_is_no_history_is_refused(log):
    """In one way."""
    refused(log, "entry 1")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", "Other"),
        ("cryptosuite", "ecdsa-jcs-2019"),
        ("proofPurpose", "authentication"),
        ("verificationMethod", "did:key:zx#zy"),
        ("verificationMethod", f"did:web:{PUBLIC[0]}#{PUBLIC[0]}"),
        ("verificationMethod", 1),
        ("verificationMethod", "did:key:z0#z0"),
        ("proofValue", "zz"),
        ("proofValue", ""),
        ("proofValue", "z" + "1" * 1000),
    ],
)
def test_proofs_of_another_kind_are_refused(member, value):
    """Only eddsa-jcs-2022 by a did:key, for assertions."""
    entry = json.loads(Builder().log)
    entry["proof"][0][member] = value
    with pytest.raises(InvalidInputError):
        verify(json.dumps(entry))


@pytest.mark.parametrize("proof", [[], None, {}, "x"])
def test_an_entry_without_a_proof_is_refused(proof):
    """As a list without any, and as what is no list."""
    entry = json.loads(Builder().log)
    entry["proof"] = proof
    with pytest.raises(InvalidInputError):
        verify(json.dumps(entry))


@pytest.mark.parametrize(
    "time", ["", "2025", "2027-01-15T08:00:00+01:00", "2027-01-15T08:00:00.5Z", "٢٠٢٧-01-15T08:00:00Z"]
)
def test_times_have_one_form(time):
    """UTC, whole seconds."""
    with pytest.raises(InvalidInputError):
        assert LogEntry("", time, {}, {}).at
