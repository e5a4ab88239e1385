"""DIDs: `did.json` (did:web), `did.jsonl` (did:webvh), and the resolver (W3C DID Resolution, HTTP(S) Binding)."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from issuer.did.model import Subject
from issuer.did.resolution import Options, ResolutionRefusedError, refusal
from issuer.did.service import DeactivatedError
from issuer.errors import NotFoundError
from issuer.http.answers import NO_STORE, answer
from issuer.services import Services
from remit.errors import InvalidInputError
from remit.ids import AccountName, AgentName

DID_RESOLUTION: Final = "application/did-resolution"
"""The media type of a DID resolution result."""

_DID_JSON: Final = "application/did+json"
_JSON_LINES: Final = "text/jsonl"
_DOCUMENTS: Final = ("application/did", _DID_JSON, "application/did+ld+json")
_CACHE: Final = "public, max-age=60"
_STATUS: Final = {
    "invalidDid": 400,
    "invalidOptions": 400,
    "notFound": 404,
    "representationNotSupported": 406,
    "methodNotSupported": 501,
}
_PREFIX: Final = "/1.0/identifiers/"


def routes(services: Services) -> Iterable[web.RouteDef]:
    """The routes of DIDs."""

    async def document(request: web.Request) -> web.Response:
        subject = _subject(request)
        try:
            return answer(await services.dids.document(subject), cache=_CACHE, media_type=_DID_JSON)
        except DeactivatedError as error:
            return answer(error.document, 410, media_type=_DID_JSON)

    async def history(request: web.Request) -> web.Response:
        text = await services.dids.history(_subject(request))
        return web.Response(text=text, content_type=_JSON_LINES, charset="utf-8", headers={"Cache-Control": _CACHE})

    async def identifier(request: web.Request) -> web.Response:
        try:
            media_type = _wanted(request.headers.get("Accept", "*/*"))
            found = await services.dids.resolve(_did(request), _options(request))
        except ResolutionRefusedError as error:
            return answer(refusal(error).as_json(), _STATUS[error.error], media_type=DID_RESOLUTION)
        status = 410 if found.deactivated else 200
        body = found.as_json() if media_type == DID_RESOLUTION else found.document
        return answer(body, status, cache=NO_STORE if status == 410 else _CACHE, media_type=media_type)

    return [
        web.get("/account/{account}/did.json", document),
        web.get("/account/{account}/agent/{path:.+}/did.json", document),
        web.get("/account/{account}/did.jsonl", history),
        web.get("/account/{account}/agent/{path:.+}/did.jsonl", history),
        web.get(f"{_PREFIX}{{did:.+}}", identifier),
    ]


def _subject(request: web.Request) -> Subject:
    account, path = request.match_info["account"], request.match_info.get("path")
    try:
        return AccountName.parse(account) if path is None else AgentName(account, path)
    except InvalidInputError as error:
        raise NotFoundError(f"there is no DID document here: {error.detail}", hint=error.hint) from error


def _did(request: web.Request) -> str:
    """The DID in the path, percent-encoded as a whole or as it is: its own `%3A` stays."""
    text = request.rel_url.raw_path.removeprefix(_PREFIX)
    return text if text.startswith("did:") else unquote(text)


def _options(request: web.Request) -> Options:
    try:
        if len(set(request.query)) != len(request.query):
            raise ResolutionRefusedError("invalidOptions", "a resolution option comes twice")
        return msgspec.convert(dict(request.query), Options)
    except msgspec.ValidationError as error:
        raise ResolutionRefusedError("invalidOptions", "the options are versionId and versionTime") from error


def _wanted(accept: str) -> str:
    """The media type to answer with: the first of ours that the client prefers most."""
    ranges = sorted((_range(part) for part in accept.split(",")), key=lambda found: -found[1])
    for wanted, quality in ranges:
        if quality > 0:
            for ours in (DID_RESOLUTION, *_DOCUMENTS):
                if wanted in (ours, "*/*", "application/*"):
                    return ours
    raise ResolutionRefusedError(
        "representationNotSupported", f"there are {DID_RESOLUTION} and {', '.join(_DOCUMENTS)}"
    )


def _range(part: str) -> tuple[str, float]:
    """A media range and its quality (RFC 9110 section 12.5.1); other parameters are not looked at."""
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return media_type, float(quality)
    except ValueError:
        return media_type, 0.0
