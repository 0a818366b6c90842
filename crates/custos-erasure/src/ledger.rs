//! The record of erasures: what it holds and what it asks of the control store.
//!
//! The control store forgets what came after it when an older copy takes its place. So what was
//! destroyed, and who, is also written into the lake, before an erasure is reported; an older
//! control store is brought up to it before anything is opened.

use async_trait::async_trait;
use custos_core::{FileId, RequestId, Rid, StoreError, Timestamp};
use custos_keys::DestructionCause;
use serde::{Deserialize, Serialize};

use crate::dossier::Dossier;
use crate::{State, StoredRequest};

const VERSION: u32 = 1;

/// An owner of secrets that were destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyedOwner {
    /// The file, journal or record.
    pub owner: FileId,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(flatten)]
    pub cause: DestructionCause,
}

/// The part of the control store that the record of erasures needs.
///
/// Guarantees: each call is atomic and durable when it returns.
#[async_trait]
pub trait LedgerStore: std::fmt::Debug + Send + Sync {
    /// The last place in the record that this store took or caught up with.
    async fn ledger_position(&self) -> Result<u64, StoreError>;

    /// Takes the next place, which is then nobody else's.
    async fn take_position(&self) -> Result<u64, StoreError>;

    /// Notes that the store has caught up with a place; never goes back.
    async fn catch_up_to(&self, position: u64) -> Result<(), StoreError>;

    /// Destroyed owners that are not in the record as far as the store knows, at most `limit`.
    async fn unrecorded(&self, limit: u32) -> Result<Vec<DestroyedOwner>, StoreError>;

    /// Notes that these owners are in the record.
    async fn mark_recorded(&self, owners: &[FileId]) -> Result<(), StoreError>;

    /// Puts a request in the place of what is known of it, and hides its subjects.
    async fn put_request(
        &self,
        request: &StoredRequest,
        subjects: &[Rid],
    ) -> Result<(), StoreError>;
}

/// One entry of the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerEntry {
    version: u32,
    /// When it was written.
    pub(crate) at: Timestamp,
    /// What was destroyed since the entry before.
    pub(crate) destroyed: Vec<DestroyedOwner>,
    /// Who was erased, and how far.
    pub(crate) request: Option<ErasedRequest>,
}

/// A request as the record has it: complete, and without any identifier of the person.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasedRequest {
    pub(crate) id: RequestId,
    pub(crate) state: State,
    pub(crate) revision: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) certificate: Option<String>,
    pub(crate) dossier: Dossier,
}

impl ErasedRequest {
    pub(crate) fn new(request: &StoredRequest, dossier: &Dossier) -> Self {
        // The record outlives the person's time in it.
        let dossier = Dossier { asked_for: None, ..dossier.clone() };
        Self {
            id: request.id,
            state: request.state,
            revision: request.revision,
            received_at: request.received_at,
            certificate: request.certificate.clone(),
            dossier,
        }
    }
}

impl LedgerEntry {
    pub(crate) fn new(
        at: Timestamp,
        destroyed: Vec<DestroyedOwner>,
        request: Option<ErasedRequest>,
    ) -> Self {
        Self { version: VERSION, at, destroyed, request }
    }

    /// Reads an entry; `None` if this program does not understand it.
    pub(crate) fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|entry: &Self| entry.version == VERSION)
    }
}
