//! Encrypted Parquet and the Delta log on object storage: write, scan, rewrite.
//!
//! Each data file is Parquet with modular encryption and an encrypted footer. Its secrets, one a
//! [`KeyClass`](custos_core::KeyClass), are random, live in the control store only, and are
//! fetched against a grant of `custos-policy`: without a grant there is no plaintext. The Delta
//! log names a file's id, digest and length; the subjects in a file are sealed in its footer.
//!
//! This crate does not know SQL, consent, contracts or people; it knows tables with a subject
//! column, files, and who may open which class of them.
//!
//! Read first: [`TableSpec`] (what a table is made of), [`Table`] (snapshot, write, commit),
//! [`OpenFile`] (decrypting read) and [`rewrite`] (files without some subjects). [`ExportFile`] is
//! what leaves the lake.

mod bounds;
mod compact;
mod contained;
mod control_copies;
mod error;
mod export_file;
mod file_bytes;
mod file_cache;
mod footer;
mod heads;
mod hex;
mod log;
mod objects;
mod open_file;
mod parquet_crypto;
mod reseal;
pub mod rewrite;
mod sealed_log;
mod spec;
mod storage;
mod table;
mod vacuum;
pub mod vault;
mod writer;

pub use bounds::ColumnBounds;
pub use compact::{Compacted, Layout, Sorted};
pub use control_copies::ControlCopies;
pub use error::LakeError;
pub use export_file::{ExportFile, KeyReference};
pub use heads::{HeadStore, MemoryHeads, TableHead};
pub use log::{CommitOutcome, FileEntry, LOG_KEPT, Snapshot};
pub use objects::SealedObjects;
pub use open_file::{Access, OpenFile, RowRange};
pub use sealed_log::SealedLog;
pub use spec::{ColumnRole, ColumnSpec, TableSpec};
pub use storage::Storage;
pub use table::{Lake, Table};
pub use vacuum::Garbage;
pub use writer::TableWriter;

#[cfg(test)]
mod tests;
