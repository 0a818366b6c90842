-- "CUST": tells a control store from other SQLite files.
PRAGMA application_id = 1129665364;

-- Rows are never deleted: destroying a secret overwrites `sealed` where it lies. Rows are appended
-- in the order of `seq`, so that SQLite never moves one and leaves no copy of it behind.
CREATE TABLE secret (
    seq    INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    class  TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (owner, class)
) STRICT;

-- The ledger of destroyed secrets.
CREATE TABLE destroyed_owner (
    owner   TEXT NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    cause   TEXT NOT NULL,
    request TEXT
) STRICT, WITHOUT ROWID;

CREATE VIEW live_secret AS
SELECT * FROM secret
WHERE NOT EXISTS (SELECT 1 FROM destroyed_owner WHERE destroyed_owner.owner = secret.owner);

CREATE TABLE audit_leaf (
    seq  INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL
) STRICT;

CREATE TABLE audit_head (
    seq  INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL UNIQUE
) STRICT;

-- Counters that only grow.
CREATE TABLE epoch (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO epoch (name, value) VALUES ('consent', 0), ('suppression', 0);

-- One row: the next subject that nobody has leased.
CREATE TABLE subject_counter (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    next INTEGER NOT NULL
) STRICT;

INSERT INTO subject_counter (only, next) VALUES (1, 1);

CREATE TABLE batch (
    seq       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    source    TEXT NOT NULL,
    load      BLOB NOT NULL,
    state     TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    body      TEXT NOT NULL
) STRICT;

CREATE INDEX batch_load ON batch (source, load);
CREATE INDEX batch_unfinished ON batch (opened_at) WHERE state IN ('journaled', 'planned');

CREATE TABLE contract (
    source TEXT NOT NULL PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    body        TEXT NOT NULL
) STRICT;

CREATE TABLE tombstone (
    rid     INTEGER PRIMARY KEY,
    request TEXT NOT NULL REFERENCES request (id),
    epoch   INTEGER NOT NULL
) STRICT;

CREATE TABLE suppression (
    hash    BLOB NOT NULL PRIMARY KEY,
    until   INTEGER NOT NULL,
    shared  INTEGER NOT NULL,
    request TEXT NOT NULL REFERENCES request (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE consent_event (
    seq        INTEGER PRIMARY KEY,
    rid        INTEGER NOT NULL,
    purpose    TEXT NOT NULL,
    status     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    expires_at INTEGER,
    notice     TEXT,
    channel    TEXT,
    authority  INTEGER NOT NULL
) STRICT;

CREATE INDEX consent_event_subject ON consent_event (rid, at);

CREATE TABLE principal (
    seq           INTEGER PRIMARY KEY,
    name          TEXT NOT NULL,
    roles         TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL UNIQUE,
    created_at    INTEGER NOT NULL,
    revoked_at    INTEGER
) STRICT;

CREATE UNIQUE INDEX principal_active ON principal (name) WHERE revoked_at IS NULL;
