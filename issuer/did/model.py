"""DID documents (DID Core 1.0, did:web method). Pure.

A document lists only keys that its subject holds, and never the issuer's: agents hold none here, so there is no verification
method. `alsoKnownAs` is a claim, not a proof; nothing of ours decides by it.
"""

from remit.ids import DID, AgentName, TrustDomain

_CONTEXT = "https://www.w3.org/ns/did/v1"

Document = dict[str, object]
"""A DID document, as plain JSON values."""


def agent_document(agent: AgentName, host: str, trust_domain: TrustDomain, issuer: str) -> Document:
    """The document of an agent; its account controls it.

    Args:
        agent: whose it is.
        host: the issuer's host name, with its port if it has one.
        trust_domain: of its SPIFFE ID.
        issuer: the issuer's public URL.

    Raises:
        InvalidInputError: the host is an IP address, which did:web cannot name.
    """
    did = agent.did(host)
    return _document(did) | {
        "controller": str(DID(host, agent.account, None)),
        "alsoKnownAs": [str(agent.spiffe_id(trust_domain))],
        "service": [_issuer_service(did, issuer)],
    }


def account_document(account: str, host: str, issuer: str) -> Document:
    """The document of an account; it controls itself.

    Raises:
        InvalidInputError: the host is an IP address, which did:web cannot name.
    """
    did = DID(host, account, None)
    return _document(did) | {"controller": str(did), "service": [_issuer_service(did, issuer)]}


def _document(did: DID) -> Document:
    return {"@context": [_CONTEXT], "id": str(did)}


def _issuer_service(did: DID, issuer: str) -> dict[str, str]:
    """Where what the subject shows can be checked: the issuer's metadata name keys and status lists."""
    return {"id": f"{did}#issuer", "type": "RemitIssuer", "serviceEndpoint": issuer}
