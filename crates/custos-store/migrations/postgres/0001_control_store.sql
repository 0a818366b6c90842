-- The same tables as in SQLite, so that one text of a statement serves both. Text is compared byte
-- by byte, whatever the language of the database is.

-- Rows are never deleted: destroying a secret overwrites `sealed`. PostgreSQL keeps the older state
-- of a changed row until the table is vacuumed, which follows at once, and in its write-ahead log.
CREATE TABLE secret (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner  TEXT COLLATE "C" NOT NULL,
    class  TEXT COLLATE "C" NOT NULL,
    epoch  BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    UNIQUE (owner, class)
);

-- The ledger of destroyed secrets.
CREATE TABLE destroyed_owner (
    owner   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    cause   TEXT NOT NULL,
    request TEXT
);

CREATE VIEW live_secret AS
SELECT * FROM secret
WHERE NOT EXISTS (SELECT 1 FROM destroyed_owner WHERE destroyed_owner.owner = secret.owner);

CREATE TABLE audit_leaf (
    seq  BIGINT PRIMARY KEY,
    leaf BYTEA NOT NULL
);

CREATE TABLE audit_head (
    seq  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size BIGINT NOT NULL,
    at   BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL UNIQUE
);

-- Counters that only grow.
CREATE TABLE epoch (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO epoch (name, value) VALUES ('consent', 0), ('suppression', 0);

-- One row: the next subject that nobody has leased.
CREATE TABLE subject_counter (
    "only" BIGINT PRIMARY KEY CHECK ("only" = 1),
    next   BIGINT NOT NULL
);

INSERT INTO subject_counter ("only", next) VALUES (1, 1);

CREATE TABLE batch (
    seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        TEXT COLLATE "C" NOT NULL UNIQUE,
    source    TEXT COLLATE "C" NOT NULL,
    load      BYTEA NOT NULL,
    state     TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    body      TEXT NOT NULL
);

CREATE INDEX batch_load ON batch (source, load);
CREATE INDEX batch_unfinished ON batch (opened_at) WHERE state IN ('journaled', 'planned');

CREATE TABLE contract (
    source TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    text   TEXT NOT NULL
);

CREATE TABLE request (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    state       TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    body        TEXT NOT NULL
);

CREATE TABLE tombstone (
    rid     BIGINT PRIMARY KEY,
    request TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    epoch   BIGINT NOT NULL
);

CREATE TABLE suppression (
    hash    BYTEA NOT NULL PRIMARY KEY,
    until   BIGINT NOT NULL,
    shared  BOOLEAN NOT NULL,
    request TEXT COLLATE "C" NOT NULL REFERENCES request (id)
);

CREATE TABLE consent_event (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rid        BIGINT NOT NULL,
    purpose    TEXT COLLATE "C" NOT NULL,
    status     TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL,
    expires_at BIGINT,
    notice     TEXT COLLATE "C",
    channel    TEXT COLLATE "C",
    authority  BOOLEAN NOT NULL
);

CREATE INDEX consent_event_subject ON consent_event (rid, at);

CREATE TABLE principal (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    roles         TEXT NOT NULL,
    secret_sha256 BYTEA NOT NULL UNIQUE,
    created_at    BIGINT NOT NULL,
    revoked_at    BIGINT
);

CREATE UNIQUE INDEX principal_active ON principal (name) WHERE revoked_at IS NULL;

-- Only here: a number for each name that is leased, since advisory locks have numbers.
CREATE TABLE lease (
    id   INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE
);

-- The functions of SQLite that statements name.

CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (value TEXT)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT json_array_elements_text(list::json) $$;

CREATE FUNCTION zeroblob(length INTEGER) RETURNS BYTEA
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT decode(repeat('00', length), 'hex') $$;
