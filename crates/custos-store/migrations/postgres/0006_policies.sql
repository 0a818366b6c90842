-- Which policies were put into force, and when. `files` are their texts by name, for comparisons.
CREATE TABLE policy_epoch (
    number  BIGINT PRIMARY KEY,
    version TEXT NOT NULL,
    at      BIGINT NOT NULL,
    files   TEXT NOT NULL
);
