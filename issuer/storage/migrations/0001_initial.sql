-- The first schema. Times (`*_at`) are seconds since the epoch; JSON is text; a state is active, suspended or revoked.

CREATE TABLE accounts (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    owner       TEXT    NOT NULL,
    contact     TEXT,
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
);

CREATE TABLE agents (
    id          INTEGER PRIMARY KEY,
    account_id  INTEGER NOT NULL REFERENCES accounts (id),
    parent_id   INTEGER REFERENCES agents (id),
    path        TEXT    NOT NULL,               -- "planner", "planner/sub/reader"
    owner       TEXT    NOT NULL,
    description TEXT,
    parent_asserted INTEGER NOT NULL DEFAULT 0 CHECK (parent_asserted IN (0, 1)),   -- known by its parent's word alone
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    UNIQUE (account_id, path)
);
CREATE INDEX agents_by_parent ON agents (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE sidecars (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    jkt         TEXT    UNIQUE,                 -- RFC 7638 thumbprint of its key; NULL until it joined
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    joined_at   INTEGER,
    seen_at     INTEGER
);

CREATE TABLE sidecar_sessions (
    digest      TEXT    PRIMARY KEY,            -- SHA-256 of the session, hex
    sidecar_id  INTEGER NOT NULL REFERENCES sidecars (id),
    expires_at  INTEGER NOT NULL
);
CREATE INDEX sidecar_sessions_by_expiry ON sidecar_sessions (expires_at);

CREATE TABLE join_tokens (
    digest      TEXT    PRIMARY KEY,            -- SHA-256 of the token, hex
    sidecar_id  INTEGER NOT NULL REFERENCES sidecars (id),
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER
);

CREATE TABLE entries (
    id          TEXT    PRIMARY KEY,
    agent_id    INTEGER NOT NULL REFERENCES agents (id),
    sidecar_id  INTEGER REFERENCES sidecars (id),   -- NULL: direct, for workloads without a sidecar
    anchor      TEXT    NOT NULL,               -- its most specific selector: the one it is looked up by
    selectors   TEXT    NOT NULL,               -- JSON array, sorted
    ttl_seconds INTEGER,
    bound       INTEGER NOT NULL DEFAULT 0 CHECK (bound IN (0, 1)),     -- its tokens are bound to the agent's key
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
);
CREATE INDEX entries_by_anchor ON entries (anchor);
CREATE INDEX entries_by_agent ON entries (agent_id, id);
CREATE INDEX entries_by_sidecar ON entries (sidecar_id, id) WHERE sidecar_id IS NOT NULL;

-- People on whose behalf agents act. Who they are is not here: a keyed digest of issuer and subject is.
CREATE TABLE persons (
    id          INTEGER PRIMARY KEY,
    digest      TEXT    NOT NULL UNIQUE,
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
);

CREATE TABLE grants (
    id           TEXT    PRIMARY KEY,
    agent_id     INTEGER NOT NULL REFERENCES agents (id),
    parent_id    TEXT    REFERENCES grants (id),    -- the grant that this one was opened under, or delegated from
    delegated    INTEGER NOT NULL DEFAULT 0 CHECK (delegated IN (0, 1)),    -- its parent grant is the parent agent's
    person_id    INTEGER REFERENCES persons (id),   -- on whose behalf; NULL: the agent's own
    task         TEXT,                          -- NULL: the agent's standing authority
    scope        TEXT    NOT NULL,              -- the agent_spend object, JSON
    funding      TEXT    NOT NULL CHECK (funding IN ('jit', 'standing')),
    owner        TEXT    NOT NULL,
    expires_at   INTEGER,
    completed_at INTEGER,                       -- when its task was said to be done; the grant is revoked then
    status_list  INTEGER,                       -- NULL with status_index: a fresh index is drawn at the next issuance
    status_index INTEGER,
    state        TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision     INTEGER NOT NULL DEFAULT 1,
    created_at   INTEGER NOT NULL
);
CREATE INDEX grants_by_agent ON grants (agent_id, id);
CREATE UNIQUE INDEX grants_by_task ON grants (agent_id, task, coalesce(person_id, 0)) WHERE task IS NOT NULL AND delegated = 0;
CREATE UNIQUE INDEX grants_standing ON grants (agent_id)
    WHERE task IS NULL AND delegated = 0 AND person_id IS NULL AND state <> 'revoked';
CREATE UNIQUE INDEX grants_standing_of_person ON grants (agent_id, person_id, parent_id)
    WHERE task IS NULL AND delegated = 0 AND person_id IS NOT NULL;
CREATE UNIQUE INDEX grants_delegated ON grants (agent_id, parent_id, coalesce(task, ''), coalesce(person_id, 0)) WHERE delegated = 1;
CREATE INDEX grants_of_person ON grants (person_id, id) WHERE person_id IS NOT NULL;
CREATE INDEX grants_of_task ON grants (task, id) WHERE task IS NOT NULL;
CREATE INDEX grants_open_tasks ON grants (agent_id, expires_at) WHERE task IS NOT NULL AND state <> 'revoked';
CREATE INDEX grants_of_open_tasks ON grants (coalesce(expires_at, 9007199254740991), id) WHERE task IS NOT NULL AND state <> 'revoked';
CREATE INDEX grants_by_parent ON grants (parent_id) WHERE parent_id IS NOT NULL;

-- When the last token of each task's grant ends, as far as the audit log was read for it: written aside from issuance.
CREATE TABLE task_uses (
    grant_id    TEXT    PRIMARY KEY REFERENCES grants (id),
    ends_at     INTEGER NOT NULL
);
CREATE TABLE task_uses_read (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    seq         INTEGER NOT NULL                -- audit records up to this one are in
);
INSERT INTO task_uses_read (only, seq) VALUES (1, 0);

CREATE TABLE status_lists (
    number      INTEGER PRIMARY KEY,
    size        INTEGER NOT NULL,               -- indexes, not bytes
    allocated   INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER                         -- when it was seen that no grant in it can be issued on any more
);

-- Every index ever drawn. Rows are never deleted, so an index is never used twice.
CREATE TABLE status_indexes (
    list        INTEGER NOT NULL REFERENCES status_lists (number),
    idx         INTEGER NOT NULL,
    grant_id    TEXT    NOT NULL REFERENCES grants (id),
    value       INTEGER NOT NULL DEFAULT 0 CHECK (value BETWEEN 0 AND 2),
    PRIMARY KEY (list, idx)
);
CREATE INDEX status_indexes_by_grant ON status_indexes (grant_id);
CREATE INDEX status_indexes_not_valid ON status_indexes (list, idx, value) WHERE value <> 0;

-- One row, updated last in each transaction that changes a status, so that `seq` follows commit order.
CREATE TABLE status_head (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    seq         INTEGER NOT NULL
);
INSERT INTO status_head (only, seq) VALUES (1, 0);

-- What each number of the head stands for: the events that are sent out, and how long each took to take effect.
CREATE TABLE status_changes (
    seq             INTEGER PRIMARY KEY,
    verb            TEXT    NOT NULL,           -- revoke, suspend, resume, complete
    what            TEXT    NOT NULL,           -- in words: agent acme/planner
    account         TEXT,                       -- NULL: of none, or of several
    marks           TEXT,                       -- JSON [[list, idx, value], ...]; NULL: too many, `lists` are read anew
    lists           TEXT    NOT NULL,           -- JSON [list, ...]: every list that it touches
    keys            TEXT    NOT NULL,           -- JSON [kid, ...]: signing keys that are tainted
    requested_at_ms INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,           -- the database's clock, before the commit
    enforced        INTEGER,                    -- how many registered verifiers enforced it; NULL: not settled yet
    silent          INTEGER,                    -- how many had not when their own bound had passed, or the wait had
    enforced_ms     INTEGER                     -- milliseconds from commit until the last of those that enforced it did
);
CREATE INDEX status_changes_by_time ON status_changes (committed_at_ms, seq);
CREATE INDEX status_changes_open ON status_changes (seq) WHERE enforced IS NULL;

-- Relying parties that are known by name.
CREATE TABLE providers (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    owner       TEXT    NOT NULL,
    audiences   TEXT    NOT NULL,               -- JSON array, sorted
    digest      TEXT    NOT NULL UNIQUE,        -- SHA-256 of the credential, hex
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
);

-- Processes of providers that verify: whose refusal a revocation waits for. A row goes when its verifier said goodbye, or when it
-- has been away for so long that it refuses everything by its own bound.
CREATE TABLE verifiers (
    instance        TEXT    PRIMARY KEY,        -- drawn by the verifier, anew in each process
    provider_id     INTEGER NOT NULL REFERENCES providers (id),
    name            TEXT    NOT NULL,           -- for people: host and process
    bound_ms        INTEGER NOT NULL,           -- its staleness bound and its leeway
    on_stale        TEXT    NOT NULL CHECK (on_stale IN ('deny', 'allow')),
    enforced_seq    INTEGER NOT NULL,           -- the newest head that it said it enforces
    registered_at_ms INTEGER NOT NULL,
    seen_at_ms      INTEGER NOT NULL
);
CREATE INDEX verifiers_by_provider ON verifiers (provider_id);

CREATE TABLE operators (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    role        TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    account_id  INTEGER REFERENCES accounts (id),
    digest      TEXT    NOT NULL UNIQUE,        -- SHA-256 of the credential, hex
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    created_at  INTEGER NOT NULL
);

-- The public halves; the private ones are files that never leave their issuer.
CREATE TABLE signing_keys (
    kid          TEXT    PRIMARY KEY,
    purpose      TEXT    NOT NULL CHECK (purpose IN ('token', 'status')),
    issuer       TEXT    NOT NULL,              -- which issuer instance holds the private half
    jwk          TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),
    created_at   INTEGER NOT NULL,
    activates_at INTEGER NOT NULL,
    retires_at   INTEGER                        -- set when its successor is prepared; unpublished after
);

-- Keys of agents and accounts, which never had their private halves here. A key is one subject's for ever.
CREATE TABLE subject_keys (
    id          INTEGER PRIMARY KEY,
    jkt         TEXT    NOT NULL UNIQUE,        -- RFC 7638 thumbprint
    agent_id    INTEGER REFERENCES agents (id),
    account_id  INTEGER REFERENCES accounts (id),
    sidecar_id  INTEGER REFERENCES sidecars (id),   -- which sidecar holds it for its agent; NULL: the subject itself
    jwk         TEXT    NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retired', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    retired_at  INTEGER,
    CHECK ((agent_id IS NULL) <> (account_id IS NULL))
);
-- One active key in each hand: the agent's own, or one for each sidecar that serves a replica of it.
CREATE UNIQUE INDEX subject_keys_of_agent ON subject_keys (agent_id, coalesce(sidecar_id, 0))
    WHERE agent_id IS NOT NULL AND state = 'active';
CREATE INDEX subject_keys_by_agent ON subject_keys (agent_id, created_at) WHERE agent_id IS NOT NULL;
CREATE INDEX subject_keys_held ON subject_keys (sidecar_id) WHERE sidecar_id IS NOT NULL AND state = 'active';
CREATE INDEX subject_keys_by_account ON subject_keys (account_id, created_at) WHERE account_id IS NOT NULL;

-- Secrets that all issuers on this database share, each sealed with the wrapping key, which is not here.
CREATE TABLE sealed_secrets (
    name        TEXT    PRIMARY KEY,
    sealed      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
);

-- did:webvh histories: one row for each entry of a log. Rows are never changed.
CREATE TABLE did_log (
    subject     TEXT    NOT NULL,               -- acme, or acme/planner
    version     INTEGER NOT NULL,               -- from 1
    entry       TEXT    NOT NULL,               -- one line of did.jsonl
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (subject, version)
);

-- What a history does not say yet. With `facts`: what the subject was at that time; without: everything at and below it is to be looked at.
CREATE TABLE did_changes (
    id          INTEGER PRIMARY KEY,
    subject     TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    facts       TEXT,                           -- JSON: state and keys
    done_to     TEXT                            -- without facts: the last subject below that was looked at
);
CREATE INDEX did_changes_by_subject ON did_changes (subject, id);

-- Evidence that may be used once (OIDC tokens by configuration).
CREATE TABLE used_evidence (
    digest      TEXT    PRIMARY KEY,
    expires_at  INTEGER NOT NULL
);
CREATE INDEX used_evidence_by_expiry ON used_evidence (expires_at);

CREATE TABLE idempotency (
    principal   TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    body_digest TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    answer      TEXT,                           -- NULL: held a secret, never stored
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- Append-only. An issuance's record is its audit record: one row, one table.
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,               -- milliseconds since the epoch
    kind        TEXT    NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('allowed', 'refused')),
    actor       TEXT    NOT NULL,               -- operator:ana, sidecar:edge-1, anonymous
    account     TEXT,
    agent       TEXT,
    jti         TEXT,
    grant_id    TEXT,
    detail      TEXT    NOT NULL                -- JSON: kid, exp, entry, selectors, audience, scope, task, reason, code …
);
CREATE UNIQUE INDEX audit_by_jti ON audit (jti) WHERE jti IS NOT NULL;
-- One for each way to ask. Nearly all records are of issuances that were allowed: they are in the first two only.
CREATE INDEX audit_by_account ON audit (account, seq) WHERE account IS NOT NULL;
CREATE INDEX audit_by_agent ON audit (account, agent, seq) WHERE agent IS NOT NULL;
CREATE INDEX audit_by_kind ON audit (kind, seq) WHERE kind <> 'issuance';
CREATE INDEX audit_by_kind_account ON audit (kind, account, seq) WHERE kind <> 'issuance' AND account IS NOT NULL;
CREATE INDEX audit_by_kind_agent ON audit (kind, account, agent, seq) WHERE kind <> 'issuance' AND agent IS NOT NULL;
CREATE INDEX audit_refused ON audit (seq) WHERE outcome = 'refused';
CREATE INDEX audit_refused_account ON audit (account, seq) WHERE outcome = 'refused' AND account IS NOT NULL;
CREATE INDEX audit_refused_agent ON audit (account, agent, seq) WHERE outcome = 'refused' AND agent IS NOT NULL;

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
