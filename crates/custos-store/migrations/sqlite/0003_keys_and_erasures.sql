-- Rotation writes another epoch into rows where they lie. SQLite stores small numbers in fewer
-- bytes, and a row that grows is moved, which leaves copies of its neighbours that no later
-- destruction reaches. So `epoch` is stored with 2^40 added: always in six bytes.
CREATE TABLE secret_of_fixed_width (
    seq    INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    class  TEXT NOT NULL,
    epoch  INTEGER NOT NULL CHECK (epoch >= 1099511627776),
    sealed BLOB NOT NULL,
    UNIQUE (owner, class)
) STRICT;

INSERT INTO secret_of_fixed_width (seq, owner, class, epoch, sealed)
SELECT seq, owner, class, epoch + 1099511627776, sealed FROM secret ORDER BY seq;

DROP VIEW live_secret;
DROP TABLE secret;
ALTER TABLE secret_of_fixed_width RENAME TO secret;

CREATE VIEW live_secret AS
SELECT * FROM secret
WHERE NOT EXISTS (SELECT 1 FROM destroyed_owner WHERE destroyed_owner.owner = secret.owner);

-- What is known of epochs besides their keys, which are in the KMS. No secret is stored under one
-- whose destruction was ordered.
CREATE TABLE key_epoch (
    epoch        INTEGER PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    destroyed_at INTEGER
) STRICT;

-- Destroyed owners that the lake's record of erasures does not name yet have 0.
ALTER TABLE destroyed_owner ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;

CREATE INDEX destroyed_owner_unrecorded ON destroyed_owner (owner) WHERE recorded = 0;

-- One row: the last place in the lake's record of erasures that this store took or replayed.
CREATE TABLE erasure_record (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL
) STRICT;

INSERT INTO erasure_record (only, position) VALUES (1, 0);

-- A row only in a copy: nothing may be opened by it before the erasures that came after the copy
-- was made are done again.
CREATE TABLE restored (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    made_at INTEGER NOT NULL
) STRICT;
