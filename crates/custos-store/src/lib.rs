//! The control store on SQLite or PostgreSQL: implements the ports the crates above declare.
//!
//! One file, or one database of a server, holds sealed secrets and the ledger of those destroyed,
//! the audit log, batches, contracts, requests, suppressions, consents, exports, principals and
//! which policies are in force. Several
//! processes may use it at once, with a server those of several machines. A change is durable when
//! its call returns.
//!
//! A secret that was destroyed in a file is then neither in the database nor in its write-ahead
//! log. On a server no statement finds it any more, but its sealed bytes may lie in unused space of
//! the table until that is written over, in the write-ahead log until it is recycled, on replicas
//! alike, and in archives of the log and base backups for as long as those are kept: they open
//! until the epoch of keys that sealed them is destroyed, and not after it.
//!
//! The statements are the same for both databases, and so is what the ports promise. On a server
//! who writes takes a turn for each part of the store, and leases are locks of sessions: connect
//! straight to the server, or through a pooler that keeps sessions apart.
//!
//! A store in a file keeps sealed snapshots of itself in the lake ([`Snapshots`]); a server has its
//! own replication.
//!
//! This crate knows no keys, no identifiers and no time: secrets and payloads reach it sealed,
//! identifiers hashed, instants as values. What it copies of itself it hands to `custos-keys`,
//! which seals it.
//!
//! Read first: [`Store`], then the migrations, which say what is stored.
//!
//! ```
//! use custos_ingest::Ledger;
//! use custos_store::Store;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("control/custos.db");
//! let store = Store::create(&path).await?;
//! assert_eq!(store.lease_subjects(10).await?.get(), 1);
//!
//! let again = Store::open(&path).await?;
//! assert_eq!(again.lease_subjects(10).await?.get(), 11);
//! # Ok(())
//! # }
//! ```

mod ages;
mod audit;
mod backup;
mod column;
mod consents;
mod epoch;
mod erasures;
mod error;
mod exports;
mod heads;
mod lease;
mod ledger;
mod policies;
mod population;
mod principals;
mod private_files;
mod requests;
mod rotation;
mod secrets;
mod snapshots;
mod statement;
mod store;
#[cfg(test)]
mod testing;

pub use backup::{BackupError, restore};
pub use error::{OpenError, Unreachable};
pub use policies::PolicyEpoch;
pub use principals::{NewPrincipal, StoredPrincipal};
pub use rotation::{Rotated, RotationStep};
pub use snapshots::{
    FromLake, ListedSnapshot, SnapshotStatus, Snapshots, list_snapshots, restore_from_lake,
};
pub use store::{PostgresUrl, PostgresUrlError, Store};
