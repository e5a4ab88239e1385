"""The composition root: the one place where an issuer is put together.

It takes the database as a port, so that a test can stand between the services and the disk.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from attestors.configuring import AttestorHost
from attestors.http_client import AiohttpClient
from attestors.plugins import load_attestors
from issuer.attestation import AttestationService, ProofGate
from issuer.audit.service import AuditLog
from issuer.authority.service import Authority
from issuer.authority.words import Vocabulary
from issuer.config import Config
from issuer.did import DIDService
from issuer.did.model import Describer
from issuer.enforcement import Bounds as RefusalBounds
from issuer.enforcement import Enforcement
from issuer.insight import Insight
from issuer.issuance import IssuancePolicy, IssuanceService, PresentedTokens
from issuer.issuance.claims import ClaimsWriter
from issuer.keys import KeyPolicy, KeyService
from issuer.keys.files import KeyFiles
from issuer.keys.wrapping import SealedSecrets
from issuer.listening import may_open
from issuer.persons import Pairwise, Persons
from issuer.registry.providers import Providers
from issuer.registry.service import Registry
from issuer.services import Services
from issuer.status.changes import ChangeLog
from issuer.status.events import EventSigner
from issuer.status.feed import StatusFeed
from issuer.status.service import StatusLists
from issuer.status.signing import StatusSigner
from issuer.status.subscribers import Bounds, Subscribers
from issuer.storage import Database
from issuer.subjectkeys import AccountKeys, SubjectKeys
from issuer.tasks.service import Tasks
from remit.nonces import ProofNonces
from remit.replay import ReplayCache

_PROOFS_REMEMBERED: Final = 1_000_000
"""A proof is remembered for about a minute: this many allow some 10,000 requests a second."""


def system_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def open_keys(config: Config, database: Database) -> KeyService:
    """The signing keys of the configured data folder; not started yet."""
    policy = KeyPolicy(
        instance=config.keys.instance,
        prepare_seconds=config.keys.prepare_seconds,
        overlap_seconds=config.tokens.ttl_seconds + config.tokens.leeway_seconds,
    )
    return KeyService(database, KeyFiles(config.keys_dir), policy)


def open_secrets(config: Config, database: Database) -> SealedSecrets:
    """The secrets that issuers on this database share; not started yet."""
    return SealedSecrets(database, config.keys_dir / "wrapping.key")


async def open_services(
    config: Config,
    database: Database,
    client: AiohttpClient,
    *,
    clock_ms: Callable[[], int] = system_clock_ms,
) -> Services:
    """Put an issuer together on `database`, and load its keys.

    Args:
        config: checked, with its public URL known.
        database: open, and nobody else's.
        client: what attestors fetch documents with.
        clock_ms: milliseconds since the epoch.

    Raises:
        ConfigurationError: a key is missing or damaged, or an attestor's settings are wrong.
    """
    now = clock_ms() // 1000
    keys = open_keys(config, database)
    await keys.start(now=now)
    sealed = open_secrets(config, database)
    await sealed.start()
    statuses = StatusLists(database)
    await statuses.prepare(now)
    subscribers = _subscribers(config)
    feed = _feed(config, database, keys, subscribers)
    enforcement = _enforcement(config, database, subscribers)

    host = AttestorHost(config.url, config.domain, config.tokens.leeway_seconds, client)
    attestation = AttestationService(database, load_attestors(_attestor_settings(config), host))

    def changed() -> None:
        feed.wake()
        enforcement.stir()
        attestation.forget_sessions()

    tasks = Tasks(database)
    pairwise = Pairwise(await sealed.get("pairwise"))
    return Services(
        config=config,
        clock_ms=clock_ms,
        database=database,
        keys=keys,
        sealed=sealed,
        registry=Registry(database),
        providers=Providers(database),
        authority=Authority(
            database,
            keys,
            Vocabulary(config.domain, config.host, pairwise.digest),
            _refusal_bounds(config),
            clock_ms=clock_ms,
            changed=changed,
        ),
        audit=AuditLog(database),
        statuses=statuses,
        status_signer=StatusSigner(database, statuses, keys, config.url),
        subscribers=subscribers,
        feed=feed,
        enforcement=enforcement,
        attestation=attestation,
        proofs=_proof_gate(config),
        issuance=_issuance(config, database, keys, pairwise, clock_ms),
        presented=PresentedTokens(database, keys, config.url, config.tokens.leeway_seconds),
        persons=Persons.from_settings(config.person, config.oidc, host, pairwise),
        tasks=tasks,
        insight=Insight(database, tasks),
        subject_keys=SubjectKeys(database, config.url, changed),
        account_keys=AccountKeys(database, config.url, config.tokens.leeway_seconds),
        dids=DIDService(database, sealed, Describer(config.url, config.host, config.domain), clock_ms),
    )


def _subscribers(config: Config) -> Subscribers:
    most, per_address = config.status.max_subscribers, config.status.max_subscribers_per_address
    return Subscribers(Bounds(min(most, may_open() // 2), per_address, per_provider=most))


def _feed(config: Config, database: Database, keys: KeyService, subscribers: Subscribers) -> StatusFeed:
    changes = ChangeLog(database, keys, config.url)
    return StatusFeed(changes, EventSigner(keys), subscribers, heartbeat_seconds=config.status.heartbeat_seconds)


def _enforcement(config: Config, database: Database, subscribers: Subscribers) -> Enforcement:
    return Enforcement(
        database,
        _refusal_bounds(config),
        heartbeat_seconds=config.status.heartbeat_seconds,
        anonymous=lambda: subscribers.anonymous,
    )


def _refusal_bounds(config: Config) -> RefusalBounds:
    return RefusalBounds.of(ttl_seconds=config.tokens.ttl_seconds, leeway_seconds=config.tokens.leeway_seconds)


def _proof_gate(config: Config) -> ProofGate:
    used = ReplayCache(_PROOFS_REMEMBERED)
    return ProofGate(config.url, ProofNonces(), used, config.tokens.leeway_seconds)


def _issuance(
    config: Config, database: Database, keys: KeyService, pairwise: Pairwise, clock_ms: Callable[[], int]
) -> IssuanceService:
    tokens = config.tokens
    policy = IssuancePolicy(tokens.ttl_seconds, tokens.task_ttl_seconds, tokens.max_open_tasks)
    return IssuanceService(database, keys, ClaimsWriter(config.url, config.domain, pairwise), policy, clock_ms)


def _attestor_settings(config: Config) -> Mapping[str, object]:
    """Each attestor's part of the configuration, by name; those that have none are left out."""
    own: dict[str, object] = {"oidc": list(config.oidc), "spiffe": list(config.spiffe)}
    return {name: settings for name, settings in own.items() if settings} | config.attestors
