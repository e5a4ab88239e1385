"""DIDs of agents and accounts: did:web documents, did:webvh histories, resolution."""

from issuer.did.service import DIDService

__all__ = ["DIDService"]
