"""Verifying a history (did:webvh 1.0, Read), entry by entry, in the specification's order.

A history that verifies was written by whoever holds its update keys, is complete up to its last entry, and is the one that
the DID's SCID was made from. It does not prove that no later entry was kept back, nor that what it says is true.

Stricter than the specification where Remit writes nothing else: Ed25519 and SHA2-256 only, times in whole seconds, one form
of each value. A history with witnesses is refused: their proofs are in another file.
"""

from typing import Final

import msgspec

from remit.errors import InvalidInputError
from remit.jose import strict_json
from remit.webvh.encoding import canonical, multihash
from remit.webvh.entry import METHOD, SCID_PLACEHOLDER, Document, LogEntry, signer_of

MAX_LINE_BYTES: Final = 262_144
MAX_ENTRIES: Final = 100_000
_LEEWAY_SECONDS: Final = 300
"""How far a version may be in the future of the reader's clock (did:webvh 1.0, Read)."""

_decode: Final = msgspec.json.Decoder(LogEntry).decode


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What holds after an entry; left out means unchanged."""

    method: str | None = None
    scid: str | None = None
    update_keys: list[str] | None = None
    next_key_hashes: list[str] | None = None
    portable: bool | None = None
    deactivated: bool | None = None
    witness: dict[str, object] | None = None
    watchers: list[str] | None = None
    ttl: int | None = None


class Version(msgspec.Struct, frozen=True):
    """One version that was verified.

    Attributes:
        number: from 1.
        version_id: its full identifier.
        at: its time, unix seconds.
        document: the DID document.
        deactivated: whether the DID ended with it.
    """

    number: int
    version_id: str
    at: int
    document: Document
    deactivated: bool


class History(msgspec.Struct, frozen=True):
    """A history that was verified.

    Attributes:
        did: the DID that its last version has.
        scid: its self-certifying part.
        portable: whether it may move to another host.
        versions: oldest first, at least one.
    """

    did: str
    scid: str
    portable: bool
    versions: tuple[Version, ...]


class _Verified(msgspec.Struct, frozen=True):
    """What the next entry is verified against."""

    entry: LogEntry
    scid: str
    update_keys: tuple[str, ...]
    next_key_hashes: tuple[str, ...]
    portable: bool
    deactivated: bool


def verify_history(log: str, *, now: int, did: str | None = None) -> History:
    """Verify `did.jsonl`, whoever it came from.

    Args:
        log: its text, one entry a line.
        now: the reader's clock, unix seconds.
        did: the DID that was asked for; it must be the history's own. Without it, look at what is returned.

    Raises:
        InvalidInputError: code `history_invalid`; the detail names the entry and what is wrong with it.
    """
    lines = log.removesuffix("\n").split("\n")
    if len(lines) > MAX_ENTRIES:
        raise InvalidInputError(f"the history has more than {MAX_ENTRIES} entries", code="history_invalid")
    known: _Verified | None = None
    versions = []
    for number, line in enumerate(lines, 1):
        try:
            known = _verified(_parsed(line), number, known, now)
        except InvalidInputError as error:
            raise InvalidInputError(f"entry {number}: {error.detail}", code="history_invalid") from error
        versions.append(_version(known, number))
    if known is None:
        raise RuntimeError("a text has at least one line")
    history = History(_did_of(known.entry), known.scid, known.portable, tuple(versions))
    if did not in (None, history.did):
        raise InvalidInputError("the history is another DID's", code="history_invalid")
    return history


def _parsed(line: str) -> LogEntry:
    content = line.encode("utf-8", "surrogatepass")  # what is no Unicode is refused as JSON is
    strict_json(content, max_bytes=MAX_LINE_BYTES)
    try:
        return _decode(content)
    except msgspec.ValidationError as error:
        raise InvalidInputError("not an entry of a did:webvh history") from error


def _verified(entry: LogEntry, number: int, before: _Verified | None, now: int) -> _Verified:
    """Verify one entry against what is known after the one before."""
    if before is not None and before.deactivated:
        raise InvalidInputError("it comes after the deactivation")
    parameters = _parameters(entry, before)
    known = _next(entry, parameters, before)
    _check_signatures(entry, known, before)
    _check_hash(entry, number, known.scid if before is None else before.entry.version_id)
    _check_time(entry, before, now)
    if before is None:
        _check_scid(entry, known.scid)
    _check_identifier(entry, known, before)
    return known


def _parameters(entry: LogEntry, before: _Verified | None) -> _Parameters:
    try:
        parameters = msgspec.convert(entry.parameters, _Parameters)
    except msgspec.ValidationError as error:
        raise InvalidInputError("a parameter is unknown or of another type") from error
    first = before is None
    if first != (parameters.scid is not None) or (first and parameters.method is None):
        raise InvalidInputError("scid and method belong into the first entry, scid into no other")
    if parameters.method not in (None, METHOD):
        raise InvalidInputError(f"its method is not {METHOD}")
    if parameters.witness:
        raise InvalidInputError("it has witnesses, which are not verified here")
    if parameters.portable and not first and not (before and before.portable):
        raise InvalidInputError("it becomes portable later than in its first entry")
    return parameters


def _next(entry: LogEntry, parameters: _Parameters, before: _Verified | None) -> _Verified:
    """What holds after this entry; the new update keys are those that were committed to."""
    keys, hashes = parameters.update_keys, parameters.next_key_hashes
    if before is None:
        keys = keys or []
    elif before.next_key_hashes:
        if keys is None or hashes is None:
            raise InvalidInputError("it leaves out updateKeys or nextKeyHashes")
        if not {multihash(key.encode()) for key in keys} <= set(before.next_key_hashes):
            raise InvalidInputError("an update key is not one that the entry before committed to")
    return _Verified(
        entry=entry,
        scid=before.scid if before else parameters.scid or "",
        update_keys=tuple(keys) if keys is not None else before.update_keys if before else (),
        next_key_hashes=tuple(hashes) if hashes is not None else before.next_key_hashes if before else (),
        portable=(before.portable if before else False) if parameters.portable is None else parameters.portable,
        deactivated=bool(parameters.deactivated),
    )


def _check_signatures(entry: LogEntry, known: _Verified, before: _Verified | None) -> None:
    """By an update key of this entry while keys are committed to in advance, otherwise by one of the entry before."""
    active = known.update_keys if before is None or before.next_key_hashes else before.update_keys
    if not entry.proof:
        raise InvalidInputError("it has no proof")
    if not all(signer_of(entry, proof) in active for proof in entry.proof):
        raise InvalidInputError("it is signed by a key that may not update this history")


def _check_hash(entry: LogEntry, number: int, predecessor: str) -> None:
    if entry.version_id != f"{number}-{entry.hash_after(predecessor)}":
        raise InvalidInputError("its version id is not the number and the hash of this entry")


def _check_time(entry: LogEntry, before: _Verified | None, now: int) -> None:
    if before is not None and entry.at <= before.entry.at:
        raise InvalidInputError("it is not later than the entry before")
    if entry.at > now + _LEEWAY_SECONDS:
        raise InvalidInputError("it is from the future")


def _check_scid(entry: LogEntry, scid: str) -> None:
    text = canonical(entry.unsigned() | {"versionId": SCID_PLACEHOLDER}).decode()
    if multihash(text.replace(scid, SCID_PLACEHOLDER).encode()) != scid:
        raise InvalidInputError("the SCID is not the hash of the first entry")


def _check_identifier(entry: LogEntry, known: _Verified, before: _Verified | None) -> None:
    did = _did_of(entry)
    if not did.startswith(f"did:webvh:{known.scid}:"):
        raise InvalidInputError("its document is not of this DID")
    if before is None or did == _did_of(before.entry):
        return
    also = entry.state.get("alsoKnownAs")
    if not known.portable or not isinstance(also, list) or _did_of(before.entry) not in also:
        raise InvalidInputError("it moves to another DID without being portable and naming the one before")


def _did_of(entry: LogEntry) -> str:
    did = entry.state.get("id")
    if not isinstance(did, str):
        raise InvalidInputError("its document has no id")
    return did


def _version(known: _Verified, number: int) -> Version:
    entry = known.entry
    return Version(number, entry.version_id, entry.at, entry.state, known.deactivated)
