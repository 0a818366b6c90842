-- The newest version of each table of the lake that this installation wrote or saw.
CREATE TABLE table_head (
    name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    mac     BYTEA NOT NULL
);
