"""Writing histories: which entries follow from what is known of a subject. Pure.

An entry's time is when what it says became so, moved forward by whole seconds if the entry before has it already: times grow
strictly, and none is in the future. What cannot be written yet has to wait for the clock.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.did.model import Describer, Facts, Subject, deactivated_document
from issuer.did.update_keys import UpdateKeys
from issuer.registry.state import State
from remit.errors import ConfigurationError
from remit.webvh.entry import METHOD, SCID_PLACEHOLDER, Document, LogEntry, sign_entry, time_text

_decode: Final = msgspec.json.Decoder(LogEntry).decode


class TooSoonError(Exception):
    """The next entry's time would be in the future: again in a second."""


def parse_entry(line: str) -> LogEntry:
    """An entry of ours, as it was stored."""
    return _decode(line)


class HistoryWriter:
    """Writes the histories of one issuer."""

    def __init__(self, describer: Describer, keys: UpdateKeys) -> None:
        """Write documents with `describer`, sign with `keys`."""
        self._describer = describer
        self._keys = keys

    def document(self, subject: Subject, facts: Facts, last: LogEntry) -> Document:
        """The did:webvh document of `subject`, whose history ends with `last`."""
        did = self._describer.did(subject, str(last.state["id"]).split(":")[2])
        return self._describer.document(subject, facts, did, before=_names_before(last, did))

    def following(
        self, subject: Subject, last: LogEntry | None, facts: Facts, *, at: int, now: int
    ) -> Sequence[LogEntry]:
        """The entries that say `facts`, which became so `at`, after `last`; none if the history says it already.

        A subject that was revoked before it had a history never gets one.

        Raises:
            TooSoonError: `last` is of this second, or of a later one.
            ConfigurationError: the keys are not those that the history committed to.
        """
        if last is not None and is_deactivated(last):
            return ()
        if facts.state is State.REVOKED:
            return () if last is None else self._end(subject, last, at=at, now=now)
        if last is None:
            return (self._first(subject, facts, at=min(at, now)),)
        document = self.document(subject, facts, last)
        if document == last.state:
            return ()
        return (self._next(subject, last, document, at=_not_in_future(max(at, last.at + 1), now)),)

    def _first(self, subject: Subject, facts: Facts, *, at: int) -> LogEntry:
        document = self._describer.document(subject, facts, self._describer.did(subject, SCID_PLACEHOLDER))
        parameters: Document = {"method": METHOD, "scid": SCID_PLACEHOLDER, "portable": True}
        draft = LogEntry(SCID_PLACEHOLDER, time_text(at), parameters | self._rotation(subject, 1), document)
        scid = draft.hash_after(SCID_PLACEHOLDER)
        return self._sealed(subject, parse_entry(draft.line().replace(SCID_PLACEHOLDER, scid)), scid, 1)

    def _next(self, subject: Subject, last: LogEntry, document: Document, *, at: int) -> LogEntry:
        number = last.number + 1
        rotation = self._rotation(subject, number)
        return self._sealed(subject, LogEntry("", time_text(at), rotation, document), last.version_id, number)

    def _end(self, subject: Subject, last: LogEntry, *, at: int, now: int) -> Sequence[LogEntry]:
        """Two entries (did:webvh 1.0, Deactivate): no key is committed to any more, then no key is left."""
        stopped_at = max(last.at + 1, at - 1)
        ended_at = _not_in_future(max(stopped_at + 1, at), now)
        number = last.number + 1
        stop: Document = self._rotation(subject, number) | {"nextKeyHashes": []}
        stopped = self._sealed(subject, LogEntry("", time_text(stopped_at), stop, last.state), last.version_id, number)
        final: Document = {"updateKeys": [], "deactivated": True}
        document = deactivated_document(str(last.state["id"]))
        ended = LogEntry("", time_text(ended_at), final, document)
        return stopped, self._sealed(subject, ended, stopped.version_id, number + 1, signer=number)

    def _rotation(self, subject: Subject, number: int) -> Document:
        name = str(subject)
        return {
            "updateKeys": [self._keys.public(name, number)],
            "nextKeyHashes": [self._keys.commitment(name, number + 1)],
        }

    def _sealed(
        self, subject: Subject, entry: LogEntry, predecessor: str, number: int, *, signer: int | None = None
    ) -> LogEntry:
        """`entry` with its version id and its proof, by the key of version `signer` (its own)."""
        version_id = f"{number}-{entry.hash_after(predecessor)}"
        numbered = msgspec.structs.replace(entry, version_id=version_id)
        return sign_entry(numbered, self._keys.key(str(subject), signer or number))

    def check_committed(self, subject: Subject, last: LogEntry) -> None:
        """Refuse to go on after `last` with keys that it did not commit to: readers would refuse the whole history.

        Raises:
            ConfigurationError: the shared secret is another than when `last` was written.
        """
        if is_deactivated(last):
            return
        if last.parameters["nextKeyHashes"] != [self._keys.commitment(str(subject), last.number + 1)]:
            raise ConfigurationError(
                f"the history of {subject} was written with another shared secret",
                code="history_key_wrong",
                hint="restore the database and keys/wrapping.key from one backup",
            )


def is_deactivated(entry: LogEntry) -> bool:
    """Whether a history ends with `entry`."""
    return entry.parameters.get("deactivated") is True


def _not_in_future(at: int, now: int) -> int:
    if at > now:
        raise TooSoonError
    return at


def _names_before(last: LogEntry, did: str) -> list[str]:
    """The DIDs that the subject had at other hosts, which a portable history keeps (did:webvh 1.0, Portability)."""
    also = last.state.get("alsoKnownAs", [])
    names: list[object] = [*(also if isinstance(also, list) else []), last.state["id"]]
    return [name for name in names if isinstance(name, str) and name.startswith("did:webvh:") and name != did]
