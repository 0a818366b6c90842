//! The control store on SQLite: implements the ports the crates above declare.
//!
//! One file holds sealed secrets and the ledger of those destroyed, the audit log, batches,
//! contracts, requests, suppressions, consents, exports and principals. Several processes may use it at
//! once. A change is durable when its call returns; a destroyed secret is then neither in the
//! database nor in its write-ahead log.
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
mod population;
mod principals;
mod private_files;
mod requests;
mod rotation;
mod secrets;
mod store;
#[cfg(test)]
mod testing;

pub use backup::{BackupError, restore};
pub use error::OpenError;
pub use principals::{NewPrincipal, StoredPrincipal};
pub use rotation::{Rotated, RotationStep};
pub use store::Store;
