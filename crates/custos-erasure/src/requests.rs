//! What erasure asks of the control store.

use async_trait::async_trait;
use custos_core::{RequestId, Rid, StoreError, Timestamp};
use custos_ingest::Suppressed;
use custos_keys::SealedRecord;
use serde::{Deserialize, Serialize};

use crate::State;

/// A request as it is stored: what it is about is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredRequest {
    /// Its id.
    pub id: RequestId,
    /// How far it came.
    pub state: State,
    /// Grows with every change; a change names the one it was made from.
    pub revision: u64,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its content and evidence, sealed under a secret of its own.
    pub sealed: SealedRecord,
    /// The certificate, once issued.
    pub certificate: Option<String>,
}

/// An identifier that bars rows from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionEntry {
    /// The suppression hash of the identifier.
    pub hash: [u8; 16],
    /// What it bars.
    pub suppressed: Suppressed,
}

/// The part of the control store that requests need.
///
/// Guarantees: each call is atomic and durable when it returns.
#[async_trait]
pub trait RequestStore: std::fmt::Debug + Send + Sync {
    /// Adds a request and hides its subjects: tombstones them and raises the suppression epoch.
    async fn open(&self, request: &StoredRequest, subjects: &[Rid]) -> Result<(), StoreError>;

    /// Tombstones further subjects of a request and raises the suppression epoch.
    async fn hide(&self, request: RequestId, subjects: &[Rid]) -> Result<(), StoreError>;

    /// Replaces a request if its revision is still `request.revision - 1`, else
    /// [`StoreError::Conflict`].
    async fn update(&self, request: &StoredRequest) -> Result<(), StoreError>;

    /// One request.
    async fn load(&self, id: RequestId) -> Result<Option<StoredRequest>, StoreError>;

    /// All requests, newest first.
    async fn list(&self) -> Result<Vec<StoredRequest>, StoreError>;

    /// Bars identifiers and raises the suppression epoch; repeating it changes nothing.
    async fn suppress(
        &self,
        request: RequestId,
        entries: &[SuppressionEntry],
    ) -> Result<(), StoreError>;

    /// Forgets what subjects consented to.
    async fn forget_consents(&self, subjects: &[Rid]) -> Result<(), StoreError>;
}
