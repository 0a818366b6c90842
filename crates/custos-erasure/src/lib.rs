//! The erasure request state machine, suppression, proofs and certificates.
//!
//! A request hides the person at once (L0). Once somebody verified it, the person's identifiers
//! leave the vault and bar their old rows from coming back (L1), every table is rewritten without
//! them and the secrets of the replaced files are destroyed (L2), and a certificate says so.
//!
//! This crate does not know HTTP, SQL, where requests are stored or how files are encrypted.
//!
//! Read first: [`State`], then `service/steps.rs`, where each step is.

mod certificate;
mod dossier;
mod error;
mod ledger;
mod requests;
mod scope;
mod service;
mod state;
mod subject;

pub use certificate::{
    AuditProof, Barred, CertificateError, Statement, SubjectCommitment, TableStatement, verify,
};
pub use dossier::Verified;
pub use error::ErasureError;
pub use ledger::{DestroyedOwner, LedgerStore};
pub use requests::{RequestStore, StoredRequest, SuppressionEntry};
pub use service::{
    Cleared, ErasureParts, ErasureService, Finding, NewRequest, OtherOwners, Quiet, RESTORED,
    Replayed, RequestView, Unneeded, UnneededAt,
};
pub use state::{IllegalStep, Level, State, UnknownLevel};
pub use subject::{SubjectRef, SubjectRefError};
