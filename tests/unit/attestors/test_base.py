"""What is guaranteed around every attestor, whatever a plugin does inside."""

import asyncio
from typing import ClassVar

import pytest

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.errors import EvidenceRefusedError
from remit.errors import UnavailableError

CONTEXT = AppraisalContext(now=0, origin=Origin.DIRECT)


class Plugin(Attestor):
    """Gives what it is told to."""

    name = "plugin"
    origins = frozenset({Origin.DIRECT})
    selector_types = frozenset({"plugin"})
    timeout_seconds: ClassVar[float] = 0.05

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        if self.outcome == "hang":
            await asyncio.Event().wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Appraisal(frozenset(self.outcome), "somebody")  # type: ignore[arg-type]  # a test's own choice


async def test_selectors_come_out() -> None:
    """A good appraisal is passed on as it is."""
    appraisal = await Plugin({"plugin:a:b"}).appraise(b"{}", CONTEXT)
    assert appraisal.selectors == {"plugin:a:b"}


@pytest.mark.parametrize(
    "outcome",
    [
        set(),
        {"unix:uid:0"},
        {"plugin"},
        {"plugin:"},
        {"plugin:a\nunix:uid:0"},
        {"plugin:" + "x" * 5000},
        {f"plugin:{number}" for number in range(600)},
        None,
    ],
    ids=["empty", "foreign-type", "no-value", "empty-value", "newline", "long", "many", "not-a-set"],
)
async def test_nothing_or_nonsense_is_refused(outcome: object) -> None:
    """No selectors, another attestor's selectors and selectors that cannot be written are refusals."""
    with pytest.raises(EvidenceRefusedError):
        await Plugin(outcome).appraise(b"{}", CONTEXT)


@pytest.mark.parametrize("error", [ValueError("secret"), UnavailableError("down"), KeyError("x"), RecursionError()])
async def test_only_our_error_escapes(error: Exception) -> None:
    """A plugin's own error becomes a refusal that does not repeat its text."""
    with pytest.raises(EvidenceRefusedError) as refused:
        await Plugin(error).appraise(b"{}", CONTEXT)
    assert refused.value.code == "evidence_refused"
    assert "secret" not in str(refused.value)


async def test_a_plugin_that_hangs_is_refused_in_time() -> None:
    """No answer within the time limit is a refusal."""
    with pytest.raises(EvidenceRefusedError) as refused:
        await Plugin("hang").appraise(b"{}", CONTEXT)
    assert refused.value.code == "evidence_unavailable"


async def test_evidence_from_the_wrong_place_is_refused() -> None:
    """A plugin that is for direct evidence is not asked about a sidecar's."""
    with pytest.raises(EvidenceRefusedError, match="not accepted from here"):
        await Plugin({"plugin:a"}).appraise(b"{}", AppraisalContext(0, Origin.SIDECAR))
