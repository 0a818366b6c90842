//! Where sealed secrets are kept: the port to the control store.

use std::fmt::Debug;

use async_trait::async_trait;
use custos_core::{EpochId, FileId, KeyClass, RequestId, StoreError, Timestamp};
use serde::{Deserialize, Serialize};

/// A secret as stored: opens only in the KMS, under its epoch, for its owner and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The file, journal or record that the secret seals.
    pub owner: FileId,
    /// Which of the owner's secrets this is.
    pub class: KeyClass,
    /// The epoch of the key-encryption key that wrapped it.
    pub epoch: EpochId,
    /// The wrapped secret.
    pub sealed: Vec<u8>,
}

/// Why secrets were destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "cause", content = "request", rename_all = "snake_case")]
pub enum DestructionCause {
    /// A person's request to be erased.
    Erasure(RequestId),
    /// Another file holds the rows that are to stay: compaction, retention, rotation.
    Replaced,
    /// The journal's rows are committed to tables.
    JournalFolded,
    /// The object was never committed.
    Abandoned,
    /// What was exported is to be readable no more.
    Revoked,
}

impl DestructionCause {
    /// The name in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erasure(_) => "erasure",
            Self::Replaced => "replaced",
            Self::JournalFolded => "journal_folded",
            Self::Abandoned => "abandoned",
            Self::Revoked => "revoked",
        }
    }

    /// The cause that the ledger writes as this name and request; `None` if it writes none so.
    pub fn from_ledger(name: &str, request: Option<RequestId>) -> Option<Self> {
        let cause = match request {
            Some(request) => Self::Erasure(request),
            None => *[Self::Replaced, Self::JournalFolded, Self::Abandoned, Self::Revoked]
                .iter()
                .find(|cause| cause.as_str() == name)?,
        };
        (cause.as_str() == name).then_some(cause)
    }

    /// The request behind the destruction, where there is one.
    pub const fn request(self) -> Option<RequestId> {
        match self {
            Self::Erasure(request) => Some(request),
            Self::Replaced | Self::JournalFolded | Self::Abandoned | Self::Revoked => None,
        }
    }
}

/// A secret to be stored under another epoch: what is there now, and what is to take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// The secret as it was read.
    pub old: SealedSecret,
    /// The same owner and class under another epoch; its sealed bytes are as many.
    pub new: SealedSecret,
}

/// What is remembered of an epoch besides its key, which only the KMS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: EpochId,
    /// When it was made, or first seen.
    pub created_at: Timestamp,
    /// When its destruction was ordered, if it was.
    pub destroyed_at: Option<Timestamp>,
}

/// Keeps sealed secrets, and the ledger of those destroyed.
///
/// Guarantees, checked by [`crate::conformance::secret_store`]:
///
/// - `insert` stores all secrets or none; they are durable when it returns. A secret whose owner
///   and class are there already, or whose owner was destroyed, is [`StoreError::Conflict`].
/// - `fetch` returns all secrets of the owners as inserted, in any order; unknown and destroyed
///   owners have none.
/// - `destroy` deletes the sealed bytes of all secrets of the owners and writes them into the
///   ledger, as one step, durable when it returns. It returns the owners that are destroyed now,
///   whenever that happened; owners it never knew are left out and left alone. What the ledger
///   says of an owner never changes, so repeating a call changes nothing.
/// - `owners` lists each live owner once, `counts` live secrets an epoch in ascending order,
///   without epochs that have none.
/// - `epoch_page` walks all live secrets of an epoch: each page begins after the last secret of the
///   one before, and secrets that come or go meanwhile do not make it miss or repeat others.
/// - `rewrap` replaces secrets that are still as they were read, and no others; one that was
///   destroyed meanwhile does not come back. The bytes that were replaced are nowhere in the store
///   when it returns.
/// - `close_epoch` closes an epoch unless live secrets name it. From then on no secret is inserted
///   under it or rewrapped to it ([`StoreError::Conflict`]), by whomever. What is remembered of an
///   epoch never changes once set.
#[async_trait]
pub trait SecretStore: Debug + Send + Sync {
    /// Stores new secrets.
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError>;

    /// All live secrets of these owners.
    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError>;

    /// Destroys all secrets of these owners; returns the owners that are destroyed now.
    async fn destroy(
        &self,
        owners: &[FileId],
        cause: &DestructionCause,
        at: Timestamp,
    ) -> Result<Vec<FileId>, StoreError>;

    /// Those of the owners whose secrets were destroyed, and when.
    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError>;

    /// All owners with live secrets.
    async fn owners(&self) -> Result<Vec<FileId>, StoreError>;

    /// How many live secrets each epoch has wrapped.
    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError>;

    /// The first `limit` live secrets of an epoch that come after `after`, in an order of the
    /// store's own.
    async fn epoch_page(
        &self,
        epoch: EpochId,
        after: Option<(FileId, KeyClass)>,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError>;

    /// Replaces secrets that are still as they were; returns how many.
    async fn rewrap(&self, secrets: &[Rewrapped]) -> Result<u64, StoreError>;

    /// Remembers when an epoch was made, unless that is known.
    async fn note_epoch(&self, epoch: EpochId, created_at: Timestamp) -> Result<(), StoreError>;

    /// Closes an epoch that wraps no live secret; returns how many live secrets are in the way.
    async fn close_epoch(&self, epoch: EpochId, at: Timestamp) -> Result<u64, StoreError>;

    /// What is remembered of epochs, oldest first.
    async fn epoch_records(&self) -> Result<Vec<EpochRecord>, StoreError>;
}
