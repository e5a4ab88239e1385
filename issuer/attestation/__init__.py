"""Attestation: sidecars join and keep a session; evidence is appraised; selectors say which entries match."""

from issuer.attestation.model import ActiveSidecar, Session
from issuer.attestation.proofs import ProofGate
from issuer.attestation.service import AttestationService

__all__ = ["ActiveSidecar", "AttestationService", "ProofGate", "Session"]
