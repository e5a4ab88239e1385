"""The port of an attestor: evidence in, selectors out, and what is guaranteed around every plugin.

`Attestor.appraise` is a template method. Whatever a plugin does inside, outside of it:

- only `EvidenceRefusedError` is raised, never a plugin's own error, and it comes within `timeout_seconds`;
- no selectors means refused, and so does a selector of a type that the attestor did not declare as its own, so that one
  attestor cannot state another's facts;
- evidence is taken only from where the attestor says that it may come from.
"""

import asyncio
import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self, final

from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from remit.errors import ConfigurationError

MAX_SELECTORS = 512
MAX_SELECTOR_CHARACTERS = 4200


class Origin(enum.StrEnum):
    """Where evidence comes from."""

    NODE = "node"
    """A sidecar that is joining."""
    SIDECAR = "sidecar"
    """A joined sidecar, about a workload beside it."""
    DIRECT = "direct"
    """A workload itself, at the token endpoint."""


@dataclass(frozen=True, slots=True)
class AppraisalContext:
    """What an appraisal may know beside the evidence.

    Attributes:
        now: seconds since the epoch.
        origin: where the evidence came from.
    """

    now: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The judgement of evidence that is accepted.

    Attributes:
        selectors: the facts that came out, never empty.
        subject: whom the evidence speaks of, in a few words, for the audit log.
        expires_at: no credential that rests on this evidence should outlive it; None where it has no end.
        use_once: digest under which the evidence is to be recorded as used, in the same transaction as what it is used
            for; None where it may be shown again.
        use_once_until: when that record may be forgotten.
        provider: who vouches for evidence that strangers can get too, one of a few that are configured: the name of an OIDC
            provider or of a trust domain. How many refusals the audit log takes is bounded for each.
    """

    selectors: frozenset[str]
    subject: str
    expires_at: int | None = None
    use_once: str | None = None
    use_once_until: int | None = None
    provider: str = ""


class Attestor(ABC):
    """One kind of evidence. Subclass it, implement `_appraise`, and register it under the entry point group
    `remit.attestors` (see `attestors.plugins`).

    Attributes:
        name: the word in evidence's `attestor` field.
        origins: where its evidence may come from.
        selector_types: the first words of the selectors that it may give (`unix` of `unix:uid:1000`).
        timeout_seconds: how long an appraisal may take.
        repeatable: whether the same evidence is always judged alike, whenever it comes: then a judgement may be remembered.
    """  # noqa: D205 - one sentence of two lines

    name: ClassVar[str]
    origins: ClassVar[frozenset[Origin]]
    selector_types: ClassVar[frozenset[str]]
    timeout_seconds: ClassVar[float] = 5.0
    repeatable: ClassVar[bool] = False

    @classmethod
    def from_settings(cls, settings: object, host: AttestorHost) -> Self:  # noqa: ARG003 - overridden where they matter
        """Build the attestor for `host`; this default takes no settings.

        Args:
            settings: its part of the configuration file: a table, or a list of tables; None when there is none.
            host: the issuer that it works for.

        Raises:
            ConfigurationError: a setting is wrong; the detail names it.
        """
        if settings:
            raise ConfigurationError(f"the {cls.name} attestor has no settings")
        return cls()

    @final
    async def appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        """Judge `evidence` (one JSON object whose `attestor` is this one's name).

        Raises:
            EvidenceRefusedError: it is not accepted; nothing else is ever raised.
        """
        if context.origin not in self.origins:
            raise EvidenceRefusedError(f"{self.name} evidence is not accepted from here ({context.origin})")
        try:
            async with asyncio.timeout(self.timeout_seconds):
                appraisal = await self._appraise(evidence, context)
        except EvidenceRefusedError:
            raise
        except TimeoutError as error:
            raise EvidenceRefusedError(
                f"the {self.name} attestor did not decide within {self.timeout_seconds:g} s",
                code="evidence_unavailable",
            ) from error
        except Exception as error:
            # The boundary around plugins: whatever goes wrong inside is a refusal, never an accepted workload.
            raise EvidenceRefusedError(f"the {self.name} attestor failed ({type(error).__name__})") from error
        self._check(appraisal)
        return appraisal

    @abstractmethod
    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        """Judge the evidence; raise `EvidenceRefusedError` with a hint when it is not accepted."""

    def _check(self, appraisal: Appraisal) -> None:
        selectors = appraisal.selectors
        if not selectors:
            raise EvidenceRefusedError(f"the {self.name} evidence says nothing about the workload")
        if len(selectors) > MAX_SELECTORS:
            raise EvidenceRefusedError(f"the {self.name} evidence gives more than {MAX_SELECTORS} selectors")
        for selector in selectors:
            kind, separator, value = selector.partition(":")
            if kind not in self.selector_types or not separator or not value:
                raise EvidenceRefusedError(f"the {self.name} attestor may not give selectors of type {kind!r}")
            if len(selector) > MAX_SELECTOR_CHARACTERS or not selector.isprintable():
                raise EvidenceRefusedError(f"the {self.name} evidence holds a value that no selector can carry")
