"""The door to appraisal: whatever bytes come, they are judged or refused."""

import pytest

from attestors.base import Origin
from attestors.errors import EvidenceRefusedError
from attestors.process import ProcessAttestor
from issuer.attestation import AttestationService
from tests.fakes.issuing import NOW, open_core


@pytest.mark.parametrize(
    "evidence",
    [
        b"",
        b"[]",
        b"{}",
        b'{"attestor":1}',
        b'{"attestor":"process\xff"}',
        b'{"attestor":"\xed\xa0\x80"}',
        b'{"attestor":"process","x":"\xff"}',
        b'{"x":' + b"[" * 30_000,
        b'{"attestor":"process"}' + b" " * 70_000,
        b'{"attestor":"other"}',
    ],
    ids=lambda evidence: str(evidence[:24]),
)
async def test_what_is_no_evidence_is_refused(tmp_path, evidence):
    """Text that is no text, and brackets without end, are no defect of the issuer."""
    core = await open_core(tmp_path)
    service = AttestationService(core.database, {"process": ProcessAttestor()})
    with pytest.raises(EvidenceRefusedError):
        await service.appraise(evidence, Origin.SIDECAR, NOW)
    await core.database.close()
