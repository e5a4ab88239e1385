"""The verifier: accepts or refuses agent tokens, in microseconds, by what it knows of the issuer right now.

One object serves threads and event loops alike: `verify` never waits for the network. What it needs to know is kept fresh by
one background thread for each issuer, and past the staleness bound everything is refused. `remit.verifier.core` states the checks and
their order, `remit.verifier.following` how events are applied, `remit.verifier.follower` when what is read.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

from remit.verifier.acceptor import Acceptor
from remit.verifier.provider import CREDENTIAL_VARIABLE
from remit.verifier.watch import IssuerWatch

__all__ = ["Acceptor", "IssuerWatch", "Verifier"]


class Verifier(Acceptor):
    """Accepts the tokens that the configured issuers signed for this audience.

        with remit.Verifier(issuer="https://issuer.example.org", audience="https://api.example.com") as verifier:
            credential = verifier.verify(token)

    `async with` does the same without blocking the event loop. Constructing starts nothing; entering loads the first state or
    raises `UnavailableError`, or `ConfigurationError` where an issuer refuses the provider credential. A forked child loads anew at its first `verify`, which waits for that
    (see `IssuerWatch.loaded`). Safe for threads.
    """

    def __init__(
        self,
        issuer: str | Sequence[str],
        audience: str | Sequence[str],
        *,
        max_staleness: float = 10.0,
        leeway: int = 5,
        poll_interval: float = 1.0,
        start_timeout: float = 10.0,
        max_lifetime: int = 3600,
        tls: ssl.SSLContext | None = None,
        credential: str | Mapping[str, str] | None = None,
        on_stale: Literal["deny", "allow"] = "deny",
        name: str | None = None,
    ) -> None:
        """Prepare a verifier.

        Args:
            issuer: the public URL of the issuer, or of several; each token is checked by its own issuer's keys only.
            audience: the name, or names, that tokens must be issued for; usually this API's URL.
            max_staleness: seconds for which a token may still be accepted after its revocation, at most; and `leeway` where the
                clocks differ.
            leeway: the clock difference that is tolerated, in seconds.
            poll_interval: seconds between two reads of the status lists while the issuer's events do not come.
            start_timeout: seconds that entering may take.
            max_lifetime: the longest lifetime of a token that is accepted, in seconds.
            tls: how the issuers' certificates are checked, in place of the system's trust.
            credential: of a registered provider, whose verifiers a revocation waits for: a string for the only issuer, or a
                mapping by issuer; each is sent to its own issuer only. None: `REMIT_PROVIDER_CREDENTIAL`, if it is set; an empty
                mapping: none.
            on_stale: what is done past `max_staleness`: `deny` refuses everything, `allow` goes on with what was known last, so
                that whatever is revoked while the issuer cannot be heard is accepted until it expires.
            name: what operators see of this process, at most 128 printable characters; else its host and process id.

        Raises:
            ConfigurationError: no issuer, no audience, not the URL of an issuer, times that do not fit together, or a credential
                that is none, or that is for no issuer in particular where there are several.
        """
        if credential is None:
            credential = os.environ.get(CREDENTIAL_VARIABLE) or None
        watch = IssuerWatch(
            issuer,
            max_staleness=max_staleness,
            leeway=leeway,
            poll_interval=poll_interval,
            start_timeout=start_timeout,
            tls=tls,
            credential=credential,
            name=name,
            on_stale=on_stale,
        )
        super().__init__(watch, audience, leeway=leeway, max_lifetime=max_lifetime)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.watch.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.watch.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.watch.stop)
