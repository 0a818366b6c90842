//! Append-only Merkle log of decisions and actions with signed heads; its failure fails the operation.
//!
//! The log is a tree of hashes as in [RFC 9162](https://www.rfc-editor.org/rfc/rfc9162): a signed
//! head stands for everything before it, an inclusion proof shows that one entry is part of it,
//! and whoever keeps a head notices when anything before it is changed, reordered or cut off.
//!
//! This crate knows neither where leaves are stored, which is the business of an [`AuditStore`],
//! nor what entries mean to those who write them.
//!
//! Read first: [`Entry`] (what is recorded), [`AuditLog`] (where to) and [`SignedHead`] (what
//! others can check).

mod appender;
pub mod conformance;
mod entry;
mod error;
mod head;
mod log;
mod memory_store;
mod proof;
mod store;
mod tree;

pub use entry::{Action, Entry, Outcome};
pub use error::AuditError;
pub use head::SignedHead;
pub use log::{AuditLog, ExportedEntry, Verification};
pub use memory_store::MemoryAuditStore;
pub use proof::{InclusionProof, verify_inclusion};
pub use store::AuditStore;
pub use tree::TreeHash;
