"""The issuer as everybody sees it: reachable, its clock, its keys, its status lists."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from cli.checks.finding import Finding
from cli.issuer_client import IssuerClient
from remit.bundle import Bundle
from remit.errors import InvalidInputError, UnavailableError
from remit.ids import TrustDomain
from remit.jose import parse_unverified

_SKEW_WARN_SECONDS = 2
_SKEW_FAIL_SECONDS = 5
_STALE_SECONDS = 5
_FULL_PERCENT = 45


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    spiffe_trust_domain: str


class _Payload(msgspec.Struct, frozen=True):
    iat: int


def check(issuer: IssuerClient) -> Iterator[Finding]:
    """Discovery, readiness, clock, bundle, status lists."""
    metadata = _metadata(issuer)
    yield Finding.ok("issuer", f"{issuer.url} issues for {metadata.spiffe_trust_domain}")
    if metadata.issuer != issuer.url:
        yield Finding.fail("issuer", f"it calls itself {metadata.issuer}", "verifiers must be given exactly that URL")
    issuer.get("/healthz/ready")
    yield Finding.ok("readiness", "ready to issue")
    yield _clock(issuer)
    yield _keys(issuer, metadata)
    yield from _status_lists(issuer)


def _metadata(issuer: IssuerClient) -> _Metadata:
    try:
        return msgspec.convert(issuer.get("/.well-known/openid-configuration"), type=_Metadata)
    except msgspec.ValidationError:
        raise UnavailableError(f"{issuer.url} is not a Remit issuer", hint="check REMIT_ISSUER") from None


def _clock(issuer: IssuerClient) -> Finding:
    date = issuer.headers("/healthz/live").get("date")
    if date is None:
        return Finding.warn("clock", "the issuer does not tell its time", "a proxy in between drops the Date header")
    skew = abs(round(time.time() - parsedate_to_datetime(date).timestamp()))
    told = f"{skew} s between this clock and the issuer's"
    if skew > _SKEW_FAIL_SECONDS:
        return Finding.fail("clock", told, "synchronise both: tokens will be refused")
    if skew > _SKEW_WARN_SECONDS:
        return Finding.warn("clock", told, "synchronise both before it grows past 5 s")
    return Finding.ok("clock", told)


def _keys(issuer: IssuerClient, metadata: _Metadata) -> Finding:
    bundle = Bundle.parse(issuer.raw("/bundle"), TrustDomain.parse(metadata.spiffe_trust_domain))
    if not bundle.keys:
        return Finding.fail("keys", "the bundle is empty", "no token verifies: look at the issuer's log")
    return Finding.ok("keys", f"{len(bundle.keys)} in the bundle, sequence {bundle.sequence}")


def _status_lists(issuer: IssuerClient) -> Iterator[Finding]:
    announced = issuer.get("/statuslists").get("status_lists")
    uris = announced if isinstance(announced, list) else []
    if not uris:
        yield Finding.fail("status lists", "none is announced", "every token is refused: look at the issuer's log")
    for uri in uris:
        token = issuer.raw(urlsplit(str(uri)).path)
        age = max(0, round(time.time()) - _issued_at(token))
        if age > _STALE_SECONDS:
            yield Finding.fail("status list", f"{uri} is {age} s old", "the issuer no longer signs: look at its log")
        else:
            yield Finding.ok("status list", f"{uri} is {age} s old")


def _issued_at(token: bytes) -> int:
    payload = parse_unverified(token, max_bytes=len(token)).payload_bytes
    try:
        return msgspec.json.decode(payload, type=_Payload).iat
    except msgspec.DecodeError:
        raise InvalidInputError("a status list has no `iat`", hint="is it Remit that answers there?") from None
