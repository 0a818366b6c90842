//! The Delta log of a table: which files are live, and changing that atomically.
//!
//! Commits are ours: `write_commit_entry` at exactly the loaded version plus one, with a commit id
//! that tells a lost race from an answer that got lost. The log library's own retry loop is not
//! used, since it lets an erasure commit over a concurrent rewrite of the same file.

use std::collections::{BTreeSet, HashMap};

use custos_core::{BatchId, FileId, TableName, Timestamp};
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::LakeError;

const TAG_FILE: &str = "custos.file";
const TAG_DIGEST: &str = "custos.sha256";
const COMMIT_ID: &str = "custos.commit_id";

/// Writers that may get ahead of one commit before it gives up.
const ATTEMPTS_MAX: u32 = 100;

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

/// Reads the live files from a loaded table.
pub(crate) async fn snapshot(name: &TableName, table: &DeltaTable) -> Result<Snapshot, LakeError> {
    let failed = failed(name, "reading its live files");
    let state = table.snapshot().map_err(&failed)?.snapshot();
    let views: Vec<_> =
        state.file_views(table.log_store().as_ref(), None).try_collect().await.map_err(&failed)?;
    let mut files = Vec::with_capacity(views.len());
    for view in views {
        #[expect(deprecated, reason = "the only accessor that keeps an entry's tags")]
        let add = view.add_action();
        files.push(entry(name, &add)?);
    }
    files.sort_by_key(|entry: &FileEntry| entry.file);
    Ok(Snapshot { version: state.version(), files })
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
    Ok(FileEntry { file, path: add.path.clone(), bytes, rows, sha256 })
}

/// Commits against the newest version, retrying while other writers get ahead.
pub(crate) async fn commit(
    name: &TableName,
    table: &mut DeltaTable,
    commit: &Commit,
) -> Result<CommitOutcome, LakeError> {
    let read = failed(name, "loading it for a commit");
    for _ in 0..ATTEMPTS_MAX {
        table.update_state().await.map_err(&read)?;
        if let Some(version) = committed(name, table, commit.id).await? {
            return Ok(CommitOutcome::Committed(version));
        }
        let now = snapshot(name, table).await?;
        let live: BTreeSet<_> = now.files.iter().map(|entry| entry.file).collect();
        if commit.remove.iter().any(|entry| !live.contains(&entry.file)) {
            return Ok(CommitOutcome::Conflict);
        }
        let version = now.version + 1;
        if try_write(name, &table.log_store(), version, commit).await? {
            table.update_state().await.map_err(&read)?;
            return Ok(CommitOutcome::Committed(version));
        }
    }
    Err(LakeError::Contention { table: name.clone(), attempts: ATTEMPTS_MAX })
}

/// The version at which a commit id went in, if it did.
pub(crate) async fn committed(
    name: &TableName,
    table: &DeltaTable,
    id: BatchId,
) -> Result<Option<u64>, LakeError> {
    let failed = failed(name, "looking for a commit");
    let state = table.snapshot().map_err(&failed)?.snapshot();
    let version =
        state.transaction_version(table.log_store().as_ref(), id).await.map_err(&failed)?;
    Ok(version.and_then(|version| u64::try_from(version).ok()))
}

/// Writes one log entry; `false` if another writer has that version.
async fn try_write(
    name: &TableName,
    log_store: &LogStoreRef,
    version: u64,
    commit: &Commit,
) -> Result<bool, LakeError> {
    let operation_id = Uuid::from_bytes(*commit.id.as_bytes());
    let bytes = log_entry(commit, version)
        .get_bytes()
        .map_err(|error| failed(name, "encoding a commit")(error.into()))?;
    let written =
        log_store.write_commit_entry(version, CommitOrBytes::LogBytes(bytes), operation_id).await;
    match written {
        Ok(()) => Ok(true),
        Err(TransactionError::VersionAlreadyExists(_)) => {
            is_ours(name, log_store, version, commit.id).await
        }
        Err(error) => Err(failed(name, "committing")(error.into())),
    }
}

/// Whether the entry at a version carries our commit id: the answer to our write got lost.
async fn is_ours(
    name: &TableName,
    log_store: &LogStoreRef,
    version: u64,
    id: BatchId,
) -> Result<bool, LakeError> {
    let bytes = log_store
        .read_commit_entry(version)
        .await
        .map_err(failed(name, "reading back a commit"))?
        .unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).contains(&format!("\"{COMMIT_ID}\":\"{id}\"")))
}

fn log_entry(commit: &Commit, version: u64) -> CommitData {
    let mut actions = Vec::with_capacity(commit.add.len() + commit.remove.len());
    actions.extend(commit.remove.iter().map(|entry| Action::Remove(remove(entry, commit.at))));
    actions.extend(commit.add.iter().map(|entry| Action::Add(add(entry, commit.at))));
    let operation =
        DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let metadata = HashMap::from([(COMMIT_ID.to_owned(), commit.id.to_string().into())]);
    let transaction = Transaction::new(commit.id, version as i64);
    CommitData::new(actions, operation, metadata, vec![transaction])
}

fn tags(entry: &FileEntry) -> HashMap<String, Option<String>> {
    HashMap::from([
        (TAG_FILE.to_owned(), Some(entry.file.to_string())),
        (TAG_DIGEST.to_owned(), Some(encode_hex(&entry.sha256))),
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

pub(crate) fn failed(
    name: &TableName,
    operation: &'static str,
) -> impl Fn(DeltaTableError) -> LakeError {
    let table = name.clone();
    move |source| LakeError::Log { table: table.clone(), operation, source: Box::new(source) }
}

pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
