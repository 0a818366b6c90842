//! What exports ask of the control store.

use std::fmt::Debug;

use async_trait::async_trait;
use custos_core::{FileId, StoreError, Timestamp};
use custos_keys::SealedRecord;

/// An export as it is stored: what it holds and for whom is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredExport {
    /// Its id, and the owner of the secret that seals its file.
    pub id: FileId,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When its key is given out no more.
    pub expires_at: Timestamp,
    /// Whether its file was written to the end.
    pub complete: bool,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What is known of it.
    pub sealed: SealedRecord,
}

/// The right to seal a new record; ends when dropped.
#[async_trait]
pub trait ExportLease: Debug + Send + Sync {
    /// Fails if the right was lost since it was taken, with a connection to a server.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The part of the control store that exports need.
///
/// Guarantees: each call is atomic and durable when it returns.
#[async_trait]
pub trait ExportLedger: Debug + Send + Sync {
    /// Waits until nobody else seals records of exports. While it is held, secrets that no record
    /// names are nobody's.
    async fn lease_exports(&self) -> Result<Box<dyn ExportLease>, StoreError>;

    /// Adds an export; one with this id is [`StoreError::Conflict`].
    async fn begin_export(&self, export: &StoredExport) -> Result<(), StoreError>;

    /// Puts the record of a whole file in the place of the present one; an export that is
    /// unknown, complete or revoked is [`StoreError::Conflict`].
    async fn complete_export(&self, id: FileId, sealed: &SealedRecord) -> Result<(), StoreError>;

    /// Revokes an export; what is revoked stays so, as of then.
    async fn revoke_export(&self, id: FileId, at: Timestamp) -> Result<(), StoreError>;

    /// One export.
    async fn export(&self, id: FileId) -> Result<Option<StoredExport>, StoreError>;

    /// All exports, newest first.
    async fn exports(&self) -> Result<Vec<StoredExport>, StoreError>;
}
