"""Issuance: from selectors to a recorded, signed agent token; the cycle is in `service.py`."""

from issuer.issuance.model import Caller, Delegation, IssuanceRequest, IssuedCredential
from issuer.issuance.presented import PresentedTokens
from issuer.issuance.service import IssuancePolicy, IssuanceService

__all__ = [
    "Caller",
    "Delegation",
    "IssuancePolicy",
    "IssuanceRequest",
    "IssuanceService",
    "IssuedCredential",
    "PresentedTokens",
]
