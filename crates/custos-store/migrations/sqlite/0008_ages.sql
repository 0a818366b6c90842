-- How old subjects are and whose laws protect them, for whose consent counts. `born` is in days
-- since 1970-01-01.
CREATE TABLE subject_age (
    rid          INTEGER PRIMARY KEY,
    born         INTEGER,
    jurisdiction TEXT
) STRICT;

INSERT INTO epoch (name, value) VALUES ('ages', 0);
