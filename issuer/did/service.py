"""The door to DIDs: documents, histories, resolution, and keeping histories up to date."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from issuer.did import background, store
from issuer.did.catching_up import Outlook, prepare, write
from issuer.did.model import Describer, Facts, Subject, as_did_web, deactivated_document, did_web_text
from issuer.did.resolution import Options, Resolution, ResolutionRefusedError, chosen_version, metadata, parse_did
from issuer.did.store import PendingChange
from issuer.did.update_keys import UpdateKeys
from issuer.did.writing import HistoryWriter, is_deactivated, parse_entry
from issuer.errors import NotFoundError
from issuer.keys.wrapping import SealedSecrets
from issuer.registry.state import State
from issuer.storage import Database, Transaction
from remit.ids import DID, AccountName
from remit.webvh.entry import Document, LogEntry

_Lines = Callable[[Transaction, Subject], Awaitable[list[str]]]


class DeactivatedError(NotFoundError):
    """The subject was revoked: its DID is deactivated for good.

    Attributes:
        document: what is left of its document.
    """

    default_code = "deactivated"

    def __init__(self, document: Document) -> None:
        super().__init__("this account or agent was revoked", hint="its DID is deactivated for good")
        self.document = document


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is of a subject: its history (all of it, or its ends), what is so now, and what the history does not say yet."""

    entries: Sequence[LogEntry]
    facts: Facts
    changes: Sequence[PendingChange]

    @property
    def ended(self) -> bool:
        """Whether nothing can be added any more; without a history when it was revoked before it had one."""
        return self.facts.state is State.REVOKED and (not self.entries or is_deactivated(self.entries[-1]))


class DIDService:
    """The DIDs of one issuer."""

    def __init__(
        self, database: Database, sealed: SealedSecrets, describer: Describer, clock_ms: Callable[[], int]
    ) -> None:
        """Describe what `database` has.

        Args:
            database: the registry, and the histories.
            sealed: holds the secret that update keys are derived from.
            describer: writes the documents.
            clock_ms: milliseconds since the epoch.
        """
        self._database = database
        self._sealed = sealed
        self._describer = describer
        self._clock_ms = clock_ms

    async def document(self, subject: Subject) -> Document:
        """The did:web document of an account or an agent, as it is now.

        Raises:
            NotFoundError: there is none; `DeactivatedError` when it, an ancestor or its account was revoked.
        """
        did_web_text(subject, self._describer.host)
        known = await self._up_to_date(subject)
        if known.facts.state is State.REVOKED:
            raise DeactivatedError(deactivated_document(did_web_text(subject, self._describer.host)))
        current = (await self._writer()).document(subject, known.facts, known.entries[-1])
        return as_did_web(current, self._describer.host, subject)

    async def history(self, subject: Subject) -> str:
        """The did:webvh history of an account or an agent: `did.jsonl`. Of what was revoked it stays for ever.

        Raises:
            NotFoundError: there is no such account or agent; `DeactivatedError` when it was revoked before it had one.
        """
        web = did_web_text(subject, self._describer.host)
        if not (await self._up_to_date(subject)).entries:
            raise DeactivatedError(deactivated_document(web))
        return "".join(f"{line}\n" for line in await self._database.read(lambda tx: store.history_lines(tx, subject)))

    async def resolve(self, text: str, options: Options) -> Resolution:
        """Resolve a DID of this issuer (W3C DID Resolution); of a did:webvh any version.

        Raises:
            ResolutionRefusedError: it cannot be; the error is the specification's.
        """
        did = parse_did(text, self._describer.host)
        subject = did.agent or AccountName(did.account)
        if did.scid is None and options != Options():
            raise ResolutionRefusedError("invalidOptions", "only a did:webvh has versions")
        try:
            known = await self._up_to_date(subject, store.history_ends if options == Options() else store.history_lines)
        except NotFoundError as error:
            raise ResolutionRefusedError("notFound", error.detail) from error
        if did.scid is not None:
            return _resolved_history(did, known.entries, options)
        try:
            document = await self.document(subject)
        except DeactivatedError as error:
            document = error.document
        told = metadata(known.entries, len(known.entries) - 1, None) if known.entries else {}
        return _result(document, told | {"deactivated": known.facts.state is State.REVOKED})

    async def work_off(self) -> bool:
        """Bring some histories up to date; returns whether there was anything that could be done.

        Raises:
            StorageError: the database failed.
            ConfigurationError: see `HistoryWriter.check_committed`.
        """
        return await background.work_off(self._database, await self._writer(), self._now())

    def running(self) -> AbstractAsyncContextManager[None]:
        """Keep histories up to date in the background."""
        return background.running(self.work_off)

    async def _up_to_date(self, subject: Subject, lines: _Lines = store.history_ends) -> _Known:
        """What is known, with the history as far as the clock permits, begun if there is none.

        Its ends say all but what was between them; anybody may ask, and a history may be long.
        """
        while True:
            known = await self._database.read(lambda tx: _read(tx, subject, lines))
            writer = await self._writer()
            if known.ended or _is_said(writer, subject, known):
                return known
            last = known.entries[-1] if known.entries else None
            prepared = prepare(writer, Outlook(subject, last, known.changes, known.facts), self._now())
            if not prepared:
                return known
            if await self._database.transaction(partial(write, prepared=prepared)):
                return _Known([*known.entries, *prepared.entries], known.facts, ())

    async def _writer(self) -> HistoryWriter:
        return HistoryWriter(self._describer, UpdateKeys(await self._sealed.get("webvh")))

    def _now(self) -> int:
        return self._clock_ms() // 1000


async def _read(tx: Transaction, subject: Subject, lines: _Lines) -> _Known:
    facts = await store.read_facts(tx, subject)
    if facts is None:
        raise NotFoundError("there is no such account or agent")
    entries = [parse_entry(line) for line in await lines(tx, subject)]
    return _Known(entries, facts, await store.changes_of(tx, subject))


def _is_said(writer: HistoryWriter, subject: Subject, known: _Known) -> bool:
    """Whether the history says everything, and ends with what is so now."""
    if known.changes or not known.entries or known.facts.state is State.REVOKED:
        return False
    return writer.document(subject, known.facts, known.entries[-1]) == known.entries[-1].state


def _resolved_history(did: DID, entries: Sequence[LogEntry], options: Options) -> Resolution:
    """Resolve a did:webvh from its history."""
    if not entries or str(entries[-1].state["id"]) != str(did):
        raise ResolutionRefusedError("notFound", "this is not the SCID of that account's or agent's history")
    place = chosen_version(entries, options)
    return _result(entries[place].state, metadata(entries, place, did.scid))


def _result(document: Document, known: Document) -> Resolution:
    return Resolution(document, known, {"contentType": "application/did"})
