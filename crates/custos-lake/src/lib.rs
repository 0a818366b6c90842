//! Encrypted Parquet and the Delta log on object storage: write, scan, rewrite.
