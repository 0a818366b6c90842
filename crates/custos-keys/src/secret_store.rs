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

    /// The request behind the destruction, where there is one.
    pub const fn request(self) -> Option<RequestId> {
        match self {
            Self::Erasure(request) => Some(request),
            Self::Replaced | Self::JournalFolded | Self::Abandoned | Self::Revoked => None,
        }
    }
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
}
