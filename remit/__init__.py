"""Remit: verify the identity, the account and the spend scope of AI agents.

Providers begin with `Verifier`, agents with `Client`; `remit.integrations` has an adapter for each framework.
"""

import logging

from remit.agent_key import AgentKey
from remit.amounts import Amount
from remit.client import AgentToken, Client, Identity, TokenRequest
from remit.credential import AuthorizedCall, Credential, StatusReference
from remit.errors import (
    ConfigurationError,
    InvalidInputError,
    ProofRefusedError,
    RefusedError,
    RemitError,
    RevokedError,
    ScopeRefusedError,
    StaleError,
    SuspendedError,
    TokenExpiredError,
    TokenInvalidError,
    UnavailableError,
)
from remit.ids import DID, SPIFFEID, AccountName, AgentName, SidecarName, TrustDomain
from remit.limits import Interval, SpendLimit
from remit.nonces import ProofNonces
from remit.scope import SpendScope
from remit.verifier import Verifier

__all__ = [
    "DID",
    "SPIFFEID",
    "AccountName",
    "AgentKey",
    "AgentName",
    "AgentToken",
    "Amount",
    "AuthorizedCall",
    "Client",
    "ConfigurationError",
    "Credential",
    "Identity",
    "Interval",
    "InvalidInputError",
    "ProofNonces",
    "ProofRefusedError",
    "RefusedError",
    "RemitError",
    "RevokedError",
    "ScopeRefusedError",
    "SidecarName",
    "SpendLimit",
    "SpendScope",
    "StaleError",
    "StatusReference",
    "SuspendedError",
    "TokenExpiredError",
    "TokenInvalidError",
    "TokenRequest",
    "TrustDomain",
    "UnavailableError",
    "Verifier",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the application decides what becomes of what is logged
