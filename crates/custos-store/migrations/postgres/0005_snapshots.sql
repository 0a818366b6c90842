-- Stores in files have snapshots in the lake, and tables for that; a server has its replication.
COMMENT ON TABLE restored IS 'a row only in a copy';
