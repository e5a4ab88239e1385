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
    state       TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision    INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL
);
CREATE INDEX entries_by_anchor ON entries (anchor);
CREATE INDEX entries_by_agent ON entries (agent_id, id);
CREATE INDEX entries_by_sidecar ON entries (sidecar_id, id) WHERE sidecar_id IS NOT NULL;

CREATE TABLE grants (
    id           TEXT    PRIMARY KEY,
    agent_id     INTEGER NOT NULL REFERENCES agents (id),
    parent_id    TEXT    REFERENCES grants (id),    -- the standing grant that a task's was opened under
    task         TEXT,                          -- NULL: the agent's standing authority
    scope        TEXT    NOT NULL,              -- the agent_spend object, JSON
    funding      TEXT    NOT NULL CHECK (funding IN ('jit', 'standing')),
    owner        TEXT    NOT NULL,
    expires_at   INTEGER,
    status_list  INTEGER,                       -- NULL with status_index: a fresh index is drawn at the next issuance
    status_index INTEGER,
    state        TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'revoked')),
    revision     INTEGER NOT NULL DEFAULT 1,
    created_at   INTEGER NOT NULL
);
CREATE INDEX grants_by_agent ON grants (agent_id, id);
CREATE UNIQUE INDEX grants_by_task ON grants (agent_id, task) WHERE task IS NOT NULL;
CREATE UNIQUE INDEX grants_standing ON grants (agent_id) WHERE task IS NULL AND state <> 'revoked';
CREATE INDEX grants_of_task ON grants (task, id) WHERE task IS NOT NULL;
CREATE INDEX grants_open_tasks ON grants (agent_id, expires_at) WHERE task IS NOT NULL AND state <> 'revoked';
CREATE INDEX grants_by_parent ON grants (parent_id) WHERE parent_id IS NOT NULL;

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
