"""The domain services of one issuer, put together: what the HTTP edge is given."""

from collections.abc import Callable
from dataclasses import dataclass

from issuer.attestation import AttestationService, ProofGate
from issuer.audit.service import AuditLog
from issuer.authority.service import Authority
from issuer.config import Config
from issuer.did import DIDService
from issuer.enforcement import Enforcement
from issuer.insight import Insight
from issuer.issuance import IssuanceService, PresentedTokens
from issuer.keys import KeyService
from issuer.keys.wrapping import SealedSecrets
from issuer.persons import Persons
from issuer.registry.providers import Providers
from issuer.registry.service import Registry
from issuer.status.feed import StatusFeed
from issuer.status.service import StatusLists
from issuer.status.signing import StatusSigner
from issuer.status.subscribers import Subscribers
from issuer.storage import Database
from issuer.subjectkeys import AccountKeys, SubjectKeys
from issuer.tasks.service import Tasks


@dataclass(frozen=True, slots=True)
class Services:
    """What one issuer is made of; `issuer.app` builds it.

    Attributes:
        config: its configuration, with the public URL known.
        clock_ms: milliseconds since the epoch.
        database: where everything is kept.
        keys: signing keys.
        sealed: secrets that issuers on this database share.
        registry: accounts, agents, entries, grants, sidecars, operators.
        providers: the relying parties that are known by name.
        authority: suspend, resume, revoke.
        audit: the log.
        statuses: status lists.
        status_signer: the same, signed.
        subscribers: who listens to status events.
        feed: tells them what changes, once it is started.
        enforcement: which verifiers there are, and which changes they enforce.
        attestation: joining, sessions, appraisal.
        proofs: proofs of possession by sidecars.
        issuance: agent tokens.
        presented: agent tokens that come back, to be delegated from.
        persons: on whose behalf agents act.
        tasks: open tasks.
        insight: how long authority takes to end, and where it lingers.
        subject_keys: keys of agents.
        account_keys: keys of accounts.
        dids: DID documents.
    """

    config: Config
    clock_ms: Callable[[], int]
    database: Database
    keys: KeyService
    sealed: SealedSecrets
    registry: Registry
    providers: Providers
    authority: Authority
    audit: AuditLog
    statuses: StatusLists
    status_signer: StatusSigner
    subscribers: Subscribers
    feed: StatusFeed
    enforcement: Enforcement
    attestation: AttestationService
    proofs: ProofGate
    issuance: IssuanceService
    presented: PresentedTokens
    persons: Persons
    tasks: Tasks
    insight: Insight
    subject_keys: SubjectKeys
    account_keys: AccountKeys
    dids: DIDService

    def now(self) -> int:
        """Unix seconds."""
        return self.clock_ms() // 1000
