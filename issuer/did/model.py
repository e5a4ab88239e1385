"""DID documents (DID Core 1.0; did:web; did:webvh 1.0). Pure.

A document lists only keys that its subject holds, and never the issuer's. `alsoKnownAs` only claims: no decision of the
issuer or the library rests on it. The did:webvh document is the one that is recorded; the did:web document is the same under its other name.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.errors import NotFoundError
from issuer.registry.state import State
from remit.errors import InvalidInputError
from remit.ids import AccountName, AgentName, TrustDomain
from remit.jose import thumbprint
from remit.webvh.entry import Document

CONTEXT: Final[list[object]] = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"]

Subject = AgentName | AccountName
"""What has a DID; its text is its key in the database."""


class Facts(msgspec.Struct, frozen=True):
    """What a document says that changes.

    Attributes:
        state: what the subject is worth, given everything above it.
        keys: the active public keys of the subject as JWKs, oldest first.
    """

    state: State
    keys: tuple[dict[str, str], ...]


def parse_subject(text: str) -> Subject:
    """Read `acme` or `acme/planner`; raises InvalidInputError."""
    return AgentName.parse(text) if "/" in text else AccountName.parse(text)


def account_of(subject: Subject) -> AccountName:
    """The account that controls it, which may be itself."""
    return AccountName(subject.account) if isinstance(subject, AgentName) else subject


def did_web_text(subject: Subject, host: str) -> str:
    """The did:web of `subject`.

    Raises:
        NotFoundError: the host is an IP address, which a DID cannot name.
    """
    try:
        return str(subject.did(host))
    except InvalidInputError as error:
        raise NotFoundError(f"there is no DID document here: {error.detail}", hint=error.hint) from error


class Describer(msgspec.Struct, frozen=True):
    """Writes the documents of one issuer.

    Attributes:
        issuer: its public URL.
        host: its host name, with its port if it has one.
        trust_domain: of the agents' SPIFFE IDs.
    """

    issuer: str
    host: str
    trust_domain: TrustDomain

    def did(self, subject: Subject, scid: str) -> str:
        """The did:webvh of `subject`; raises NotFoundError as `did_web_text`."""
        return did_web_text(subject, self.host).replace("did:web:", f"did:webvh:{scid}:", 1)

    def document(self, subject: Subject, facts: Facts, did: str, *, before: Sequence[str] = ()) -> Document:
        """The document of `subject` under `did`; `before` are DIDs that it had at other hosts.

        A suspended subject keeps its keys, but may use them for nothing.
        """
        also: list[object] = [did_web_text(subject, self.host)]
        if isinstance(subject, AgentName):
            also.append(str(subject.spiffe_id(self.trust_domain)))
        own = did if isinstance(subject, AccountName) else did_web_text(account_of(subject), self.host)
        return {
            "@context": CONTEXT,
            "id": did,
            "controller": own,
            "alsoKnownAs": [*also, *before],
            **_keys(did, facts),
            "service": [
                {"id": f"{did}#issuer", "type": "RemitIssuer", "serviceEndpoint": self.issuer},
                {"id": f"{did}#state", "type": "RemitState", "serviceEndpoint": {"state": facts.state.value}},
            ],
        }


def deactivated_document(did: str) -> Document:
    """What is left of a document when its subject was revoked."""
    return {"@context": CONTEXT, "id": did}


def as_did_web(document: Document, host: str, subject: Subject) -> Document:
    """A did:webvh document as the subject's did:web (did:webvh 1.0, Publishing a Parallel did:web DID).

    Args:
        document: the did:webvh document.
        host: the issuer's host name, with its port if it has one.
        subject: whose it is.
    """
    did, web = str(document["id"]), did_web_text(subject, host)
    folder = subject.did(host).document_url().removesuffix("did.json")
    same: Document = msgspec.json.decode(msgspec.json.encode(document).replace(did.encode(), web.encode()))
    also, services = document["alsoKnownAs"], same["service"]
    if not isinstance(also, list) or not isinstance(services, list):
        raise TypeError("a document of ours has these lists")
    implicit: list[object] = [
        {"id": f"{web}#files", "type": "relativeRef", "serviceEndpoint": folder},
        {
            "@context": "https://identity.foundation/linked-vp/contexts/v1",
            "id": f"{web}#whois",
            "type": "LinkedVerifiablePresentation",
            "serviceEndpoint": f"{folder}whois.vp",
        },
    ]
    return same | {"alsoKnownAs": [did, *(name for name in also if name != web)], "service": [*services, *implicit]}


def _keys(did: str, facts: Facts) -> Document:
    if not facts.keys:
        return {}
    ids = {thumbprint(jwk): jwk for jwk in facts.keys}
    methods: list[object] = [
        {"id": f"{did}#{jkt}", "type": "JsonWebKey", "controller": did, "publicKeyJwk": {**jwk, "kid": jkt}}
        for jkt, jwk in ids.items()
    ]
    usable: list[object] = [f"{did}#{jkt}" for jkt in ids] if facts.state is State.ACTIVE else []
    return {"verificationMethod": methods, "authentication": usable, "assertionMethod": usable}
