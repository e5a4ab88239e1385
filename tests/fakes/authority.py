"""Authority over a database, for tests that stand below the HTTP edge."""

from pathlib import Path

from issuer.authority.service import Authority
from issuer.authority.words import Vocabulary
from issuer.enforcement.model import Bounds
from issuer.keys import KeyPolicy, KeyService
from issuer.keys.files import KeyFiles
from issuer.persons.model import Pairwise
from issuer.storage import Database
from remit.ids import TrustDomain

PERSONS = Pairwise(bytes(32))
BOUNDS = Bounds.of(ttl_seconds=300, leeway_seconds=5)


def authority_over(database: Database, clock_ms, *, keys: KeyService | None = None, changed=lambda: None) -> Authority:
    """Authority whose words mean what they mean at `issuer.example.org`; without `keys` no key can be revoked."""
    vocabulary = Vocabulary(TrustDomain("example.org"), "issuer.example.org", PERSONS.digest)
    keys = keys or KeyService(database, KeyFiles(Path("no-such-folder")), KeyPolicy("issuer-1", 100, 305))
    return Authority(database, keys, vocabulary, BOUNDS, clock_ms=clock_ms, changed=changed)
