"""The door to persons: whose token is shown, and what may be kept and told of them.

A person's token is neither evidence nor kept: it says on whose behalf an agent acts, and until when. Evidence is no person's
token either. Both may be of one OIDC provider; then their audiences tell them apart, and none may be accepted as both.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from attestors.oidc import OIDCProvider, OIDCTokens
from issuer.persons.model import OnBehalf, Pairwise
from remit.errors import ConfigurationError

_SECTION: Final = "person"
_TIMEOUT_SECONDS: Final = 8.0


class Persons:
    """The persons of one issuer, by the tokens of the providers that it trusts to know them."""

    def __init__(self, providers: Sequence[OIDCProvider], host: AttestorHost, pairwise: Pairwise) -> None:
        """Trust `providers`; `pairwise` hides who a person is.

        Raises:
            ConfigurationError: two providers share an issuer or a name.
        """
        self._tokens = OIDCTokens(_SECTION, providers, host.http)
        self._known = bool(providers)
        self._pairwise = pairwise

    @classmethod
    def from_settings(
        cls, tables: Sequence[object], evidence: Sequence[object], host: AttestorHost, pairwise: Pairwise
    ) -> "Persons":
        """Read the `[[person]]` tables.

        Args:
            tables: those.
            evidence: the `[[oidc]]` tables, whose tokens are evidence.
            host: the issuer.
            pairwise: hides who a person is.

        Raises:
            ConfigurationError: a value is wrong or unsafe, or tokens of a person's provider would be evidence too.
        """
        providers = [OIDCProvider.parse_person(table, host) for table in tables]
        for provider in providers:
            for other in (OIDCProvider.parse(table, host) for table in evidence):
                _refuse_common(provider, other)
        return cls(providers, host, pairwise)

    @property
    def pairwise(self) -> Pairwise:
        """What hides who a person is."""
        return self._pairwise

    async def verify(self, token: str, now: int) -> OnBehalf:
        """Verify a person's token.

        Args:
            token: an ID token, or another signed token of a configured provider; it is not kept.
            now: unix seconds.

        Raises:
            EvidenceRefusedError: it is not accepted; the detail holds nothing of it.
        """
        if not self._known:
            raise EvidenceRefusedError("nobody here knows persons", hint="configure their provider as [[person]]")
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                verified = await self._tokens.verify(token, now)
        except TimeoutError as error:
            raise EvidenceRefusedError(
                "the keys of the person's provider did not come", code="evidence_unavailable"
            ) from error
        except EvidenceRefusedError as error:
            raise EvidenceRefusedError(
                f"the person's token: {error.detail}", code=error.code, hint=error.hint
            ) from error
        digest = self._pairwise.digest(verified.provider.issuer, verified.subject)
        return OnBehalf(digest, verified.expires_at, verified.provider.name)


def _refuse_common(person: OIDCProvider, evidence: OIDCProvider) -> None:
    """Refuse that one token could be a person's and a workload's."""
    if person.issuer == evidence.issuer and person.audiences & evidence.audiences:
        raise ConfigurationError(
            f"person {person.name!r}: its audience {min(person.audiences & evidence.audiences)!r} is one of oidc "
            f"{evidence.name!r} too, so a workload's token would be a person's",
            hint="give persons and workloads audiences of their own",
        )
