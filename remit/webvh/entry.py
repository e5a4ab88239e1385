"""One entry of a history: its times, its hashes, and its proof (eddsa-jcs-2022).

An entry is hashed with the version id of its predecessor in place of its own (the first with the SCID), so that entries form
a chain; it is signed as it is published, without `proof`.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from remit.errors import InvalidInputError
from remit.webvh.encoding import base58_decode, base58_encode, canonical, multihash, multikey, parse_multikey

METHOD: Final = "did:webvh:1.0"
SCID_PLACEHOLDER: Final = "{SCID}"
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"

Document = dict[str, object]


class LogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One line of `did.jsonl`.

    Attributes:
        version_id: the version's number, a dash, and the hash of the entry.
        version_time: UTC, ISO 8601.
        parameters: what changes from here on in how the history is verified.
        state: the DID document.
        proof: the signatures.
    """

    version_id: str
    version_time: str
    parameters: dict[str, object]
    state: Document
    proof: list[dict[str, object]] = []

    @property
    def number(self) -> int:
        """The version's number; 0 when the version id has none."""
        digits = self.version_id.partition("-")[0]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0

    @property
    def at(self) -> int:
        """The version's time, unix seconds.

        Raises:
            InvalidInputError: not a time in UTC, in whole seconds.
        """
        try:
            at = int(datetime.strptime(self.version_time, _TIME_FORMAT).replace(tzinfo=UTC).timestamp())
        except ValueError as error:
            raise InvalidInputError("versionTime is not like 2025-01-31T23:59:59Z") from error
        if time_text(at) != self.version_time:
            raise InvalidInputError("versionTime has another form than 2025-01-31T23:59:59Z")
        return at

    def unsigned(self) -> Document:
        """The entry without its proof, as JSON."""
        return {
            "versionId": self.version_id,
            "versionTime": self.version_time,
            "parameters": self.parameters,
            "state": self.state,
        }

    def hash_after(self, predecessor: str) -> str:
        """The entry hash, given the version id before (of the first entry: the SCID)."""
        return multihash(canonical(self.unsigned() | {"versionId": predecessor}))

    def line(self) -> str:
        """The entry as a line, without the line feed."""
        return msgspec.json.encode(self).decode()


def time_text(at: int) -> str:
    """Unix seconds as a version time."""
    return datetime.fromtimestamp(at, UTC).strftime(_TIME_FORMAT)


def sign_entry(entry: LogEntry, key: Ed25519PrivateKey) -> LogEntry:
    """`entry` with the one proof by `key`, an update key."""
    public = multikey(key.public_key())
    options: dict[str, object] = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": f"did:key:{public}#{public}",
        "created": entry.version_time,
        "proofPurpose": "assertionMethod",
    }
    signature = key.sign(_signed_bytes(entry, options))
    return msgspec.structs.replace(entry, proof=[options | {"proofValue": "z" + base58_encode(signature)}])


def signer_of(entry: LogEntry, proof: dict[str, object]) -> str:
    """The multikey that made `proof`, which is verified (Data Integrity EdDSA Cryptosuites 1.0, section 3.3).

    Raises:
        InvalidInputError: it is of another kind or for another purpose, or the signature is not good.
    """
    expected = {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"}
    if any(proof.get(name) != value for name, value in expected.items()):
        raise InvalidInputError("its proof is not an eddsa-jcs-2022 assertion")
    method, value = proof.get("verificationMethod"), proof.get("proofValue")
    if not isinstance(method, str) or not isinstance(value, str) or not value.startswith("z"):
        raise InvalidInputError("its proof has no verificationMethod or no proofValue")
    public = method.removeprefix("did:key:").partition("#")[0]
    if method != f"did:key:{public}#{public}":
        raise InvalidInputError("its proof is not by a did:key")
    options = {name: member for name, member in proof.items() if name != "proofValue"}
    try:
        parse_multikey(public).verify(base58_decode(value[1:]), _signed_bytes(entry, options))
    except InvalidSignature as error:
        raise InvalidInputError("its signature is not good") from error
    return public


def _signed_bytes(entry: LogEntry, options: Document) -> bytes:
    return hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(entry.unsigned())).digest()
