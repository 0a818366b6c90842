//! What ingest asks of the control store.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use custos_consent::AgeRecord;
use custos_core::{BatchId, FileId, Rid, SourceId, StoreError, Timestamp};
use custos_lake::FileEntry;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

/// How many rows of a load ended where. The parts add up to `read`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadCounts {
    /// Rows in the input.
    pub read: u64,
    /// Rows with a new key, or without a key.
    pub stored: u64,
    /// Rows that are a newer version of a stored one.
    pub updated: u64,
    /// Rows that were there already, or are older than what is.
    pub duplicate: u64,
    /// Rows that break the contract.
    pub quarantined: u64,
    /// Rows of erased people.
    pub barred: u64,
}

impl std::ops::AddAssign for LoadCounts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.stored += other.stored;
        self.updated += other.updated;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.barred += other.barred;
    }
}

/// How far a batch came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// The journal is durable: the load is acknowledged and will be folded, if need be after a crash.
    Journaled,
    /// The files of [`Batch::plan`] are written; their commits may have happened.
    Planned,
    /// All commits happened and the journal is destroyed.
    Folded,
    /// It was given up before it changed anything; its files and journal are destroyed.
    Abandoned,
}

/// One load on its way into the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id; also the id of its commits.
    pub id: BatchId,
    /// The source that it loads.
    pub source: SourceId,
    /// The keyed hash of the loaded bytes and the contract's version.
    pub load: [u8; 32],
    /// The sealed bytes.
    pub journal: FileId,
    /// The suppression epoch it was checked against.
    pub suppression_epoch: u64,
    /// How far it came.
    pub state: BatchState,
    /// Whether the journal holds rows taken out of quarantine.
    pub replay: bool,
    /// The files it wrote, once it did.
    pub plan: Option<BatchPlan>,
    /// What became of its rows, once known.
    pub counts: Option<LoadCounts>,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// Files that a batch adds, written but not yet committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPlan {
    /// To `vault.identifiers`.
    pub vault: Vec<FileEntry>,
    /// To `landing.<source>`.
    pub landing: Vec<FileEntry>,
    /// To `quarantine.<source>`.
    pub quarantine: Vec<FileEntry>,
    /// From `quarantine.<source>`, replaced when its rows are replayed.
    pub quarantine_replaced: Vec<FileEntry>,
}

/// Why an identifier bars rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Rows whose event is not later than this are barred.
    pub until: Timestamp,
    /// Whether people who are not erased hold it too: then it bars only rows all of whose
    /// identifiers are suppressed.
    pub shared: bool,
}

/// Who must not come back.
#[derive(Debug, Clone, Default)]
pub struct Suppression {
    /// Grows with every change.
    pub epoch: u64,
    /// By the suppression hash of an identifier.
    pub identifiers: HashMap<[u8; 16], Suppressed>,
    /// Erased subjects; none of them gets another row.
    pub tombstones: RoaringBitmap,
}

/// The right to be the only one. It ends with the value, or with the process; where it depends on
/// a connection to a server, with that too.
#[async_trait]
pub trait Lease: Send + Sync + fmt::Debug {
    /// Fails if the lease was lost since it was taken.
    ///
    /// Who holds it is asked before a step that must not happen without it, or after one that
    /// counts only if nobody else was at work.
    async fn check(&self) -> Result<(), StoreError>;
}

/// A contract as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredContract {
    /// The source.
    pub source: SourceId,
    /// The text of the contract file.
    pub text: String,
}

/// The part of the control store that ingest needs.
///
/// Guarantees: each call is atomic and durable when it returns; [`Ledger::lease_subjects`] never
/// gives the same subject twice, over all processes; a lease held by a process that died is free.
/// A batch whose source this process has leased is stored only while it still holds the lease, so
/// that the next holder sees every batch that is stored; what follows from a stored batch can be
/// done by both.
#[async_trait]
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Waits to be the only writer of a source.
    async fn lease_source(&self, source: &SourceId) -> Result<Box<dyn Lease>, StoreError>;

    /// Waits to be the only job that rewrites tables or clears leftovers: erasure, resolution,
    /// doctor, and for a moment whoever registers a contract.
    ///
    /// Who takes this and leases of sources takes this first.
    async fn lease_maintenance(&self) -> Result<Box<dyn Lease>, StoreError>;

    /// Waits to be the only one who seals a request or looks for records that nobody names; held
    /// for a moment only, and taken last.
    async fn lease_requests(&self) -> Result<Box<dyn Lease>, StoreError>;

    /// Takes `count` new subjects and returns the first; they are consecutive.
    async fn lease_subjects(&self, count: u32) -> Result<Rid, StoreError>;

    /// Adds a batch, or replaces what is stored of it.
    async fn put_batch(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The batches of a source, or of all, that are neither folded nor abandoned, oldest first.
    async fn unfinished(&self, source: Option<&SourceId>) -> Result<Vec<Batch>, StoreError>;

    /// The batches of a source that are folded, oldest first.
    async fn folded_batches(&self, source: &SourceId) -> Result<Vec<Batch>, StoreError>;

    /// The folded batch of a load.
    async fn folded(&self, source: &SourceId, load: &[u8; 32])
    -> Result<Option<Batch>, StoreError>;

    /// The newest contract of each source.
    async fn contracts(&self) -> Result<Vec<RegisteredContract>, StoreError>;

    /// Registers a contract as the newest of its source.
    async fn put_contract(&self, contract: &RegisteredContract) -> Result<(), StoreError>;

    /// Records what is known of subjects' ages. What a record leaves open stays as it was, and who
    /// was erased has none.
    async fn put_ages(&self, ages: &[AgeRecord]) -> Result<(), StoreError>;

    /// Who must not come back, as of now.
    async fn suppression(&self) -> Result<Suppression, StoreError>;
}
