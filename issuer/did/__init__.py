"""DID documents: did:web for every agent and account."""

from issuer.did.service import DIDService

__all__ = ["DIDService"]
