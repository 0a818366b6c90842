//! The Delta log of a table: which files are live, and changing that atomically.
//!
//! Commits are ours: `write_commit_entry` at exactly the loaded version plus one, with a commit id
//! that tells a lost race from an answer that got lost. The log library's own retry loop is not
//! used, since it lets an erasure commit over a concurrent rewrite of the same file. No version is
//! believed before its head was checked.

mod checkpoint;
mod expiry;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use custos_core::{BatchId, FileId, TableName, Timestamp};
use custos_keys::MacKey;
use deltalake_core::kernel::transaction::{CommitData, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove, StructField, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError, TableProperty};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contained::contained;
use crate::heads::{self, HEAD, HeadEntry, Heads};
use crate::hex::{decode_hex, encode_hex};
use crate::storage::Storage;
use crate::vacuum::Garbage;
use crate::{HeadStore, LakeError, TableHead, TableSpec};

pub use expiry::LOG_KEPT;
pub(crate) use expiry::{file_at, written};

const TAG_FILE: &str = "custos.file";
const TAG_DIGEST: &str = "custos.sha256";
const TAG_LEVEL: &str = "custos.level";
const COMMIT_ID: &str = "custos.commit_id";

/// Writers that may get ahead of one commit before it gives up.
const ATTEMPTS_MAX: u32 = 100;

/// Commits after which the live files are written down in one piece, so that opening a table does
/// not take longer with each commit it ever had.
const CHECKPOINT_COMMITS: u64 = 50;

/// A live data file, as the log describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The file's id; its secrets are filed under it.
    pub file: FileId,
    /// Its path below the table's folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// 0 as loaded, 1 sorted by subject.
    pub level: u8,
    /// When it became live, in milliseconds since 1970; 0 before that.
    pub since: i64,
}

/// The live files of a table at one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The version.
    pub version: u64,
    /// The live files, in the order of their ids.
    pub files: Vec<FileEntry>,
}

impl Snapshot {
    /// Rows of all live files, superseded ones included.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// A change of a table's live files.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// Tells this commit from every other; repeating a commit with the same id changes nothing.
    pub id: BatchId,
    /// Files that become live.
    pub add: Vec<FileEntry>,
    /// Files that cease to be.
    pub remove: Vec<FileEntry>,
    /// When.
    pub at: Timestamp,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is in the log at this version, from now or from an earlier attempt.
    Committed(u64),
    /// A file it removes is no longer live: somebody rewrote it first, and the plan is stale.
    Conflict,
}

/// A table's log, loaded and checked.
pub(crate) struct TableLog {
    name: TableName,
    delta: DeltaTable,
    key: Arc<MacKey>,
    heads: Arc<dyn HeadStore>,
    /// The newest head that was found right.
    trusted: Option<TableHead>,
}

impl TableLog {
    /// The log of the table of this shape, created if it does not exist, widened if it lacks
    /// columns.
    pub(crate) async fn open(
        spec: &TableSpec,
        storage: &Storage,
        key: Arc<MacKey>,
        heads: Arc<dyn HeadStore>,
    ) -> Result<Self, LakeError> {
        let delta = load_or_create(spec, storage, &key).await?;
        let mut log = Self { name: spec.name().clone(), delta, key, heads, trusted: None };
        log.widen(spec).await?;
        Ok(log)
    }

    /// Adds the columns that the table lacks.
    async fn widen(&mut self, spec: &TableSpec) -> Result<(), LakeError> {
        let read = failed(&self.name, "reading its columns");
        for _ in 0..ATTEMPTS_MAX {
            let schema = self.delta.snapshot().map_err(&read)?.schema();
            let fields = spec.delta_fields().into_iter();
            let missing: Vec<StructField> =
                fields.filter(|field| !schema.contains(field.name())).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let now = self.snapshot().await?;
            let head = self.next_head(now.version + 1, &now.files)?;
            let widened =
                self.delta.clone().add_columns().with_fields(missing).with_commit_properties(head);
            match widened.await {
                Ok(delta) => {
                    self.delta = delta;
                    self.remember(now.version + 1).await?;
                }
                // Another process was faster, perhaps with the same columns.
                Err(DeltaTableError::Transaction { .. }) => {
                    self.refresh("reading its columns").await?;
                }
                Err(error) => return Err(failed(&self.name, "adding columns")(error)),
            }
        }
        Err(LakeError::Contention { table: self.name.clone(), attempts: ATTEMPTS_MAX })
    }

    /// The head of the version after the newest, for a commit that the log library makes.
    fn next_head(&self, version: u64, live: &[FileEntry]) -> Result<CommitProperties, LakeError> {
        let head = HeadEntry::new(&self.key, &self.name, version, self.newest()?.mac, live);
        Ok(properties(&head))
    }

    fn newest(&self) -> Result<TableHead, LakeError> {
        self.trusted.ok_or_else(|| LakeError::Tampered {
            table: self.name.clone(),
            what: "its newest entry was not checked",
        })
    }

    /// The live files as of now, checked against the newest head.
    pub(crate) async fn snapshot(&mut self) -> Result<Snapshot, LakeError> {
        // Asked before the log is listed: a listing that lags behind what was acknowledged, by
        // whichever process, is then found out.
        let known = self.heads.head(&self.name).await?;
        self.refresh("reading its newest version").await?;
        let reading = contained(live_files(&self.name, &self.delta)).await;
        let now = reading.ok_or_else(|| undecodable(&self.name))??;
        let trusted = self.trusted.into_iter().chain(known).max_by_key(|head| head.version);
        let is_newest = |head: TableHead| head.version == now.version;
        if self.trusted.is_some_and(is_newest) && trusted.is_some_and(is_newest) {
            return Ok(now);
        }
        let log_store = self.delta.log_store();
        let heads = Heads { key: &self.key, table: &self.name, log_store: &log_store };
        self.trusted = Some(heads.verify(now.version, &now.files, trusted).await?);
        Ok(now)
    }

    /// Loads what was committed since.
    async fn refresh(&mut self, operation: &'static str) -> Result<(), LakeError> {
        let reading = contained(self.delta.update_state()).await;
        let loaded = reading.ok_or_else(|| undecodable(&self.name))?;
        loaded.map_err(failed(&self.name, operation))
    }

    /// Checks the newest version, of which it is known that it is at least `version`, and makes it
    /// the oldest that will be believed.
    async fn remember(&mut self, version: u64) -> Result<(), LakeError> {
        if self.snapshot().await?.version < version {
            return Err(listed_late(&self.name));
        }
        Ok(self.heads.advance(&self.name, &self.newest()?).await?)
    }

    /// The version at which a commit id went in, if it did.
    pub(crate) async fn committed(&mut self, id: BatchId) -> Result<Option<u64>, LakeError> {
        // Checked, so that a log that says less than was acknowledged does not answer.
        self.snapshot().await?;
        self.committed_as_loaded(id).await
    }

    /// The version at which a commit id went in, up to the version that is loaded.
    async fn committed_as_loaded(&self, id: BatchId) -> Result<Option<u64>, LakeError> {
        let failed = failed(&self.name, "looking for a commit");
        let state = self.delta.snapshot().map_err(&failed)?.snapshot();
        let version = state
            .transaction_version(self.delta.log_store().as_ref(), id)
            .await
            .map_err(&failed)?;
        Ok(version.and_then(|version| u64::try_from(version).ok()))
    }

    /// Commits against the newest version, retrying while other writers get ahead.
    pub(crate) async fn commit(&mut self, commit: &Commit) -> Result<CommitOutcome, LakeError> {
        self.heads.secure().await?;
        for _ in 0..ATTEMPTS_MAX {
            let now = self.snapshot().await?;
            if let Some(version) = self.committed_as_loaded(commit.id).await? {
                self.remember(version).await?;
                return Ok(CommitOutcome::Committed(version));
            }
            let mut live: BTreeMap<FileId, FileEntry> =
                now.files.into_iter().map(|entry| (entry.file, entry)).collect();
            if commit.remove.iter().any(|entry| live.remove(&entry.file).is_none()) {
                return Ok(CommitOutcome::Conflict);
            }
            live.extend(commit.add.iter().map(|entry| (entry.file, entry.clone())));
            let live: Vec<FileEntry> = live.into_values().collect();
            let version = now.version + 1;
            let head = HeadEntry::new(&self.key, &self.name, version, self.newest()?.mac, &live);
            if self.try_write(version, commit, &head).await? {
                self.remember(version).await?;
                self.write_checkpoint(version, commit.at).await;
                return Ok(CommitOutcome::Committed(version));
            }
        }
        Err(LakeError::Contention { table: self.name.clone(), attempts: ATTEMPTS_MAX })
    }

    /// Writes one log entry; `false` if another writer has that version.
    async fn try_write(
        &self,
        version: u64,
        commit: &Commit,
        head: &HeadEntry,
    ) -> Result<bool, LakeError> {
        let log_store = self.delta.log_store();
        let operation_id = Uuid::from_bytes(*commit.id.as_bytes());
        let bytes = log_entry(commit, version, head)
            .get_bytes()
            .map_err(|error| failed(&self.name, "encoding a commit")(error.into()))?;
        let written = log_store
            .write_commit_entry(version, CommitOrBytes::LogBytes(bytes), operation_id)
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(TransactionError::VersionAlreadyExists(_)) => {
                is_ours(&self.name, &log_store, version, commit.id).await
            }
            Err(error) => Err(failed(&self.name, "committing")(error.into())),
        }
    }

    /// From time to time writes the live files down in one piece, and drops log entries older than
    /// the table's `logRetentionDuration`. Both can be done again, so that they fail is no failure.
    async fn write_checkpoint(&mut self, version: u64, now: Timestamp) {
        if !version.is_multiple_of(CHECKPOINT_COMMITS) {
            return;
        }
        let written = match self.checkpoint(version).await {
            Ok(()) => self.drop_old_entries(now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(table = %self.name, %error, "a checkpoint of the log was not written");
        }
    }

    async fn drop_old_entries(&mut self, now: Timestamp) -> Result<(), LakeError> {
        let before = now.plus_seconds(-i64::try_from(LOG_KEPT.as_secs()).unwrap_or(i64::MAX));
        let objects = self.objects().await?;
        let garbage = Garbage { objects: self.expired(objects, before).await? };
        garbage.delete(&*self.delta.log_store().object_store(None)).await
    }
}

/// Reads the live files from a loaded table.
async fn live_files(name: &TableName, table: &DeltaTable) -> Result<Snapshot, LakeError> {
    let failed = failed(name, "reading its live files");
    let state = table.snapshot().map_err(&failed)?.snapshot();
    let views: Vec<_> =
        state.file_views(table.log_store().as_ref(), None).try_collect().await.map_err(&failed)?;
    let mut files = Vec::with_capacity(views.len());
    let mut seen = BTreeSet::new();
    for view in views {
        #[expect(deprecated, reason = "the only accessor that keeps an entry's tags")]
        let add = view.add_action();
        let entry = entry(name, &add)?;
        if !seen.insert(entry.file) {
            return Err(LakeError::ForeignEntry { table: name.clone(), what: "a file twice" });
        }
        files.push(entry);
    }
    files.sort_by_key(|entry: &FileEntry| entry.file);
    Ok(Snapshot { version: state.version(), files })
}

async fn load_or_create(
    spec: &TableSpec,
    storage: &Storage,
    key: &MacKey,
) -> Result<DeltaTable, LakeError> {
    let failed = failed(spec.name(), "opening it");
    let log_store = storage.log_store();
    let exists = log_store.is_delta_table_location().await.map_err(&failed)?;
    if !exists {
        let head = HeadEntry::new(key, spec.name(), 0, [0; 32], &[]);
        let created = CreateBuilder::new()
            .with_log_store(Arc::clone(&log_store))
            .with_columns(spec.delta_fields())
            .with_configuration_property(TableProperty::DataSkippingNumIndexedCols, Some("0"))
            .with_commit_properties(properties(&head))
            .await;
        // Another process may have created it meanwhile; then it loads.
        if let Ok(table) = created {
            return Ok(table);
        }
    }
    let mut table = DeltaTable::new(log_store);
    let loading = contained(table.load()).await;
    loading.ok_or_else(|| undecodable(spec.name()))?.map_err(&failed)?;
    Ok(table)
}

fn properties(head: &HeadEntry) -> CommitProperties {
    CommitProperties::default()
        .with_metadata([(HEAD.to_owned(), head.to_json())])
        .with_max_retries(0)
        .with_create_checkpoint(false)
}

/// Whether the entry at a version carries our commit id: the answer to our write got lost.
async fn is_ours(
    name: &TableName,
    log_store: &LogStoreRef,
    version: u64,
    id: BatchId,
) -> Result<bool, LakeError> {
    let entry = log_store
        .read_commit_entry(version)
        .await
        .map_err(failed(name, "reading back a commit"))?
        .unwrap_or_default();
    let info = heads::commit_info(&entry);
    let found = info.as_ref().and_then(|info| info.get(COMMIT_ID)?.as_str());
    Ok(found == Some(id.to_string().as_str()))
}

fn entry(name: &TableName, add: &Add) -> Result<FileEntry, LakeError> {
    let foreign = |what| LakeError::ForeignEntry { table: name.clone(), what };
    let tag = |key: &str| {
        add.tags.as_ref().and_then(|tags| tags.get(key)).and_then(|value| value.as_deref())
    };
    let file: FileId = tag(TAG_FILE)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| foreign("a file without an id"))?;
    let sha256 =
        tag(TAG_DIGEST).and_then(decode_hex).ok_or_else(|| foreign("a file without a digest"))?;
    let rows = add
        .get_stats()
        .ok()
        .flatten()
        .and_then(|stats| u64::try_from(stats.num_records).ok())
        .ok_or_else(|| foreign("a file without a row count"))?;
    if add.path != format!("{file}.parquet") || add.deletion_vector.is_some() {
        return Err(foreign("a file that is not at its own path"));
    }
    let bytes = u64::try_from(add.size).map_err(|_| foreign("a file without a length"))?;
    let level = tag(TAG_LEVEL)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| foreign("a file without a level"))?;
    let (path, since) = (add.path.clone(), add.modification_time);
    Ok(FileEntry { file, path, bytes, rows, sha256, level, since })
}

fn log_entry(commit: &Commit, version: u64, head: &HeadEntry) -> CommitData {
    let mut actions = Vec::with_capacity(commit.add.len() + commit.remove.len());
    actions.extend(commit.remove.iter().map(|entry| Action::Remove(remove(entry, commit.at))));
    actions.extend(commit.add.iter().map(|entry| Action::Add(add(entry, commit.at))));
    let operation =
        DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let metadata = HashMap::from([
        (COMMIT_ID.to_owned(), commit.id.to_string().into()),
        (HEAD.to_owned(), head.to_json()),
    ]);
    let transaction = Transaction::new(commit.id, version as i64);
    CommitData::new(actions, operation, metadata, vec![transaction])
}

fn tags(entry: &FileEntry) -> HashMap<String, Option<String>> {
    HashMap::from([
        (TAG_FILE.to_owned(), Some(entry.file.to_string())),
        (TAG_DIGEST.to_owned(), Some(encode_hex(&entry.sha256))),
        (TAG_LEVEL.to_owned(), Some(entry.level.to_string())),
    ])
}

fn add(entry: &FileEntry, at: Timestamp) -> Add {
    Add {
        path: entry.path.clone(),
        size: entry.bytes as i64,
        modification_time: at.micros() / 1000,
        data_change: true,
        stats: Some(format!("{{\"numRecords\":{}}}", entry.rows)),
        tags: Some(tags(entry)),
        ..Default::default()
    }
}

fn remove(entry: &FileEntry, at: Timestamp) -> Remove {
    Remove {
        path: entry.path.clone(),
        data_change: true,
        deletion_timestamp: Some(at.micros() / 1000),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(entry.bytes as i64),
        tags: Some(tags(entry)),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

fn undecodable(name: &TableName) -> LakeError {
    LakeError::ForeignEntry { table: name.clone(), what: "it cannot be decoded" }
}

fn listed_late(name: &TableName) -> LakeError {
    LakeError::Tampered { table: name.clone(), what: "a listing hides its newest entry" }
}

pub(crate) fn failed(
    name: &TableName,
    operation: &'static str,
) -> impl Fn(DeltaTableError) -> LakeError + use<> {
    let table = name.clone();
    move |source| LakeError::Log { table: table.clone(), operation, source: Box::new(source) }
}
