"""Issuance: from selectors to a recorded, signed agent token; the cycle is in `service.py`."""

from issuer.issuance.model import Caller, IssuanceRequest, IssuedCredential
from issuer.issuance.service import IssuancePolicy, IssuanceService

__all__ = ["Caller", "IssuancePolicy", "IssuanceRequest", "IssuanceService", "IssuedCredential"]
