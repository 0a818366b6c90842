-- Which policies were put into force, and when. `files` are their texts by name, for comparisons.
CREATE TABLE policy_epoch (
    number  INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    at      INTEGER NOT NULL,
    files   TEXT NOT NULL
) STRICT;
