-- `epoch` is stored with 2^40 added, as in SQLite, which has a reason for it.
UPDATE secret SET epoch = epoch + 1099511627776;

ALTER TABLE secret ADD CHECK (epoch >= 1099511627776);

-- What is known of epochs besides their keys, which are in the KMS. No secret is stored under one
-- whose destruction was ordered.
CREATE TABLE key_epoch (
    epoch        BIGINT PRIMARY KEY,
    created_at   BIGINT NOT NULL,
    destroyed_at BIGINT
);

-- Destroyed owners that the lake's record of erasures does not name yet have 0.
ALTER TABLE destroyed_owner ADD COLUMN recorded BIGINT NOT NULL DEFAULT 0;

CREATE INDEX destroyed_owner_unrecorded ON destroyed_owner (owner) WHERE recorded = 0;

-- One row: the last place in the lake's record of erasures that this store took or replayed.
CREATE TABLE erasure_record (
    "only"   BIGINT PRIMARY KEY CHECK ("only" = 1),
    position BIGINT NOT NULL
);

INSERT INTO erasure_record ("only", position) VALUES (1, 0);

-- A row only in a copy: nothing may be opened by it before the erasures that came after the copy
-- was made are done again.
CREATE TABLE restored (
    "only"  BIGINT PRIMARY KEY CHECK ("only" = 1),
    made_at BIGINT NOT NULL
);
