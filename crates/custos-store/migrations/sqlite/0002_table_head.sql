-- The newest version of each table of the lake that this installation wrote or saw.
CREATE TABLE table_head (
    name    TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    mac     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
