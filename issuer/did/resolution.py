"""DID resolution (W3C DID Resolution) of this issuer's own DIDs, from what is known here. Pure; nothing is fetched."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.did.writing import is_deactivated
from remit.errors import InvalidInputError
from remit.ids import DID
from remit.webvh.entry import Document, LogEntry

# DID Core section 3.1.
_DID_RE: Final = re.compile(
    r"did:([a-z0-9]+):(?:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})*:)*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+"
)
_METHODS: Final = frozenset({"web", "webvh"})
_TITLES: Final = {
    "invalidDid": "not a DID",
    "invalidOptions": "a resolution option is unknown or does not fit",
    "methodNotSupported": "this DID method is not resolved here",
    "notFound": "there is no such DID, or no such version of it, here",
    "representationNotSupported": "the document is not available in that media type",
}


class ResolutionRefusedError(Exception):
    """A DID cannot be resolved; `error` is the specification's word for why, `detail` ours."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(error)
        self.error = error
        self.detail = detail


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which version is wanted, of a did:webvh: the one with this id, or the one that held at this time.

    Attributes:
        version_id: a full version id.
        version_time: UTC, like 2025-01-31T23:59:59Z.
    """

    version_id: str | None = None
    version_time: str | None = None


class Resolution(msgspec.Struct, frozen=True):
    """A DID resolution result.

    Attributes:
        document: the DID document, or None.
        document_metadata: what is known of it.
        resolution_metadata: how resolving went.
    """

    document: Document | None
    document_metadata: Document
    resolution_metadata: Document

    @property
    def deactivated(self) -> bool:
        """Whether what was found is the end of the DID."""
        return self.document_metadata.get("deactivated") is True

    def as_json(self) -> Document:
        """The whole, as JSON."""
        return {
            "@context": "https://w3id.org/did-resolution/v1",
            "didDocument": self.document,
            "didResolutionMetadata": self.resolution_metadata,
            "didDocumentMetadata": self.document_metadata,
        }


def refusal(error: ResolutionRefusedError) -> Resolution:
    """The result that says why a DID was not resolved."""
    problem: object = {
        "type": "about:blank",
        "title": _TITLES[error.error],
        "detail": error.detail,
    }
    return Resolution(None, {}, {"error": error.error, "problemDetails": problem})


def parse_did(text: str, host: str) -> DID:
    """Read a DID of the issuer at `host`.

    Raises:
        ResolutionRefusedError: it is no DID, of a method that is not supported, or somebody else's.
    """
    match = _DID_RE.fullmatch(text)
    if match is None:
        raise ResolutionRefusedError(
            "invalidDid", "a DID is did:, a method, and its identifier, without a query or a fragment"
        )
    if match[1] not in _METHODS:
        raise ResolutionRefusedError("methodNotSupported", "only did:web and did:webvh are resolved here")
    try:
        did = DID.parse(text)
    except InvalidInputError as error:
        raise ResolutionRefusedError("notFound", "no account and no agent has a DID of this form") from error
    if did.host != host:
        raise ResolutionRefusedError("notFound", f"only the DIDs of this issuer, under {host}, are resolved here")
    return did


def chosen_version(entries: Sequence[LogEntry], options: Options) -> int:
    """The place among `entries` of the version that is wanted.

    Raises:
        ResolutionRefusedError: there is no such version, or it did not hold at that time.
    """
    known = range(len(entries))
    if options.version_id is not None:
        known = range(*_place_of(entries, options.version_id))
    if options.version_time is not None:
        until = _time_of(options.version_time)
        known = range(known.start, sum(entry.at <= until for entry in entries[: known.stop]))
    if not known:
        raise ResolutionRefusedError("notFound", "there was no such version at that time")
    return known[-1]


def metadata(entries: Sequence[LogEntry], place: int, scid: str | None) -> Document:
    """The document metadata of one version (did:webvh 1.0, Read); `scid` for did:webvh only."""
    entry = entries[place]
    found: Document = {
        "versionId": entry.version_id,
        "versionTime": entry.version_time,
        "created": entries[0].version_time,
        "updated": entry.version_time,
        "deactivated": is_deactivated(entry),
    }
    if scid is not None:
        found |= {"scid": scid, "portable": True}
    if place + 1 < len(entries):
        following = entries[place + 1]
        found |= {"nextVersionId": following.version_id, "nextUpdate": following.version_time}
    return found


def _place_of(entries: Sequence[LogEntry], version_id: str) -> tuple[int, int]:
    places = [place for place, entry in enumerate(entries) if entry.version_id == version_id]
    return (places[0], places[0] + 1) if places else (0, 0)


def _time_of(text: str) -> int:
    try:
        return LogEntry("", text, {}, {}).at
    except InvalidInputError as error:
        raise ResolutionRefusedError("invalidOptions", "versionTime is UTC, like 2025-01-31T23:59:59Z") from error
