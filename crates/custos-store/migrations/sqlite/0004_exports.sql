-- Rows that left the platform. What they are, who received them and whom they are about is sealed.
CREATE TABLE export (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    begun_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    complete   INTEGER NOT NULL,
    revoked_at INTEGER,
    sealed     TEXT NOT NULL
) STRICT;
