"""Proofs at the issuer's door: for this request and no other, with our nonce, once."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.attestation.proofs import ProofGate
from remit.dpop import create_proof
from remit.errors import ProofRefusedError
from remit.nonces import ProofNonces
from remit.replay import ReplayCache

NOW = 1_800_000_000
URL = "https://issuer.example.org"
PATH = "/v1/issue"
BODY = b'{"requests":[]}'
KEY = ec.generate_private_key(ec.SECP256R1())


def gate(max_entries: int = 100) -> ProofGate:
    return ProofGate(URL, ProofNonces(b"k" * 32), ReplayCache(max_entries), 5)


def prove(at: ProofGate, **changes: object) -> str:
    arguments: dict[str, object] = {"now": NOW, "access_token": "session", "nonce": at.nonce(NOW), "body": BODY}
    url = str(changes.pop("url", URL + PATH))
    return create_proof(KEY, str(changes.pop("method", "POST")), url, **{**arguments, **changes})  # type: ignore[arg-type]


def verify(at: ProofGate, proof: str, now: int = NOW) -> None:
    at.verify(proof, method="POST", path=PATH, body=BODY, now=now, session="session")


def test_a_good_proof_is_good_once() -> None:
    """The same proof a second time is a replay."""
    at = gate()
    proof = prove(at)
    verify(at, proof)
    with pytest.raises(ProofRefusedError, match="used before") as refused:
        verify(at, proof)
    assert refused.value.code == "proof_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"url": URL + "/v1/attest/session"},
        {"url": "https://other.example.org" + PATH},
        {"body": b"{}"},
        {"body": None},
        {"access_token": "another session"},
        {"access_token": None},
        {"now": NOW - 600},
        {"now": NOW + 600},
    ],
    ids=["method", "path", "host", "body", "no-bsh", "session", "no-ath", "old", "future"],
)
def test_a_proof_for_another_request_is_refused(changes: dict[str, object]) -> None:
    """Method, path, host, body, session and time are all covered."""
    at = gate()
    with pytest.raises(ProofRefusedError) as refused:
        verify(at, prove(at, **changes))
    assert refused.value.code == "proof_invalid"


@pytest.mark.parametrize("nonce", [None, "made up", ProofNonces(b"k" * 32).current(NOW - 3600)])
def test_a_proof_without_a_fresh_nonce_is_told_to_get_one(nonce: str | None) -> None:
    """Only the nonce is wrong: the code says so, and the sidecar tries again."""
    at = gate()
    with pytest.raises(ProofRefusedError) as refused:
        verify(at, prove(at, nonce=nonce))
    assert refused.value.code == "use_dpop_nonce"


def test_a_full_memory_refuses() -> None:
    """A proof that could not be remembered is not accepted: it could be replayed."""
    at = gate(max_entries=2)
    for _ in range(2):
        verify(at, prove(at))
    with pytest.raises(ProofRefusedError) as refused:
        verify(at, prove(at))
    assert refused.value.code == "overloaded"
