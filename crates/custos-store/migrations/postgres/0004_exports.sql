-- Rows that left the platform. What they are, who received them and whom they are about is sealed.
CREATE TABLE export (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    begun_at   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    complete   BOOLEAN NOT NULL,
    revoked_at BIGINT,
    sealed     TEXT NOT NULL
);
