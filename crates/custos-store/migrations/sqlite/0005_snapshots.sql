-- Which rows were changed and are not in the lake's snapshots yet: a trigger of each table writes
-- here, in the transaction that changes the row. Keys only, so that what was destroyed in a table is
-- not here either. Numbers are never used again.
CREATE TABLE change (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    place TEXT NOT NULL,
    key   ANY NOT NULL
) STRICT;

-- One row: where this store's snapshots are. `schema` is the version whose rows they hold. Changes
-- up to `shipped` are in increments 1 to `number` of `stream`, of which `newest` is the id of the
-- last and `pending` of one whose writing began. `full` is the increment after which the last full
-- one was made, of `full_bytes`, and `bytes` came since. Changes after `held` are being copied.
CREATE TABLE snapshot_chain (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    schema     INTEGER NOT NULL,
    shipped    INTEGER NOT NULL,
    held       INTEGER,
    stream     TEXT,
    number     INTEGER NOT NULL,
    newest     TEXT NOT NULL,
    pending    TEXT,
    full       INTEGER,
    full_bytes INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    at         INTEGER
) STRICT;

INSERT INTO snapshot_chain (only, schema, shipped, number, newest, full_bytes, bytes)
VALUES (1, 0, 0, 0, '', 0, 0);
