//! What a table's newest version must be: heads that only this installation can make.
//!
//! The Delta log is a folder of plain files. Whoever can write to it could put back an entry that
//! was removed, drop one, or replace all of it by an older copy. So each entry carries a head: a
//! keyed hash over the table, the version, the head before and the live files that result. The
//! control store remembers the newest head, since an old copy of a whole log is whole in itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use custos_core::{StoreError, TableName};
use custos_keys::MacKey;
use deltalake_core::logstore::LogStoreRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::LakeError;
use crate::hex::{decode_hex, encode_hex};
use crate::log::{self, FileEntry};

/// Key of a commit's information under which its head stands.
pub(crate) const HEAD: &str = "custos.head";

/// A table at one version, as this installation left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableHead {
    /// The version.
    pub version: u64,
    /// The keyed hash.
    pub mac: [u8; 32],
}

/// Remembers the newest head of each table.
///
/// Guarantees: each call is atomic and durable when it returns.
#[async_trait]
pub trait HeadStore: fmt::Debug + Send + Sync {
    /// The newest head of a table, if it ever had one.
    async fn head(&self, table: &TableName) -> Result<Option<TableHead>, StoreError>;

    /// Remembers a head unless a newer one is known.
    async fn advance(&self, table: &TableName, head: &TableHead) -> Result<(), StoreError>;

    /// Makes all that the store holds outlive the loss of the store.
    ///
    /// A version is written only after this. So who loses the store and restores it finds in it
    /// the secrets of every file that a table names.
    async fn secure(&self) -> Result<(), StoreError>;
}

/// Heads in memory, for tests and tools.
#[derive(Debug, Default)]
pub struct MemoryHeads(Mutex<BTreeMap<TableName, TableHead>>);

impl MemoryHeads {
    /// Makes a head the newest of a table whatever was there, or forgets the table's.
    pub fn set(&self, table: &TableName, head: Option<TableHead>) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match head {
            Some(head) => heads.insert(table.clone(), head),
            None => heads.remove(table),
        };
    }
}

#[async_trait]
impl HeadStore for MemoryHeads {
    async fn head(&self, table: &TableName) -> Result<Option<TableHead>, StoreError> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(heads.get(table).copied())
    }

    async fn advance(&self, table: &TableName, head: &TableHead) -> Result<(), StoreError> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = heads.entry(table.clone()).or_insert(*head);
        if known.version < head.version {
            *known = *head;
        }
        Ok(())
    }

    async fn secure(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A head as it stands in the log: the hashes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadEntry {
    /// The head of the version before; zeros before the first.
    previous: String,
    /// The SHA-256 over the live files.
    live: String,
    /// The keyed hash over table, version and both.
    mac: String,
}

impl HeadEntry {
    /// The head of a version.
    pub(crate) fn new(
        key: &MacKey,
        table: &TableName,
        version: u64,
        previous: [u8; 32],
        live: &[FileEntry],
    ) -> Self {
        let live = digest(live);
        let mac = mac(key, table, version, &previous, &live);
        Self { previous: encode_hex(&previous), live: encode_hex(&live), mac: encode_hex(&mac) }
    }

    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({"previous": self.previous, "live": self.live, "mac": self.mac})
    }

    /// The head before, if this one was made with the key for this table and version.
    fn checked(&self, key: &MacKey, table: &TableName, version: u64) -> Option<Checked> {
        let (previous, live) = (decode_hex(&self.previous)?, decode_hex(&self.live)?);
        let found = decode_hex(&self.mac)?;
        let expected = mac(key, table, version, &previous, &live);
        (found == expected).then_some(Checked { previous, live, mac: found })
    }
}

/// A head whose keyed hash is right.
struct Checked {
    previous: [u8; 32],
    live: [u8; 32],
    mac: [u8; 32],
}

fn mac(
    key: &MacKey,
    table: &TableName,
    version: u64,
    previous: &[u8; 32],
    live: &[u8; 32],
) -> [u8; 32] {
    key.mac(&[table.as_str().as_bytes(), &version.to_be_bytes(), previous, live])
}

/// The SHA-256 over ids, digests, lengths and levels of live files, which are in the order of their ids.
fn digest(live: &[FileEntry]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for entry in live {
        hasher.update(entry.file.as_bytes());
        hasher.update(entry.sha256);
        hasher.update(entry.bytes.to_be_bytes());
        hasher.update(entry.rows.to_be_bytes());
        hasher.update([entry.level]);
    }
    hasher.finalize().into()
}

/// Checks versions of one table's log against what is trusted.
pub(crate) struct Heads<'a> {
    pub(crate) key: &'a MacKey,
    pub(crate) table: &'a TableName,
    pub(crate) log_store: &'a LogStoreRef,
}

impl Heads<'_> {
    /// The head of `version`, whose live files are `live`, if it follows from `trusted`.
    ///
    /// # Errors
    ///
    /// [`LakeError::Tampered`] if the log is older than what is trusted, or some entry since then
    /// was not written by this installation, or the live files are not those of the entry.
    pub(crate) async fn verify(
        &self,
        version: u64,
        live: &[FileEntry],
        trusted: Option<TableHead>,
    ) -> Result<TableHead, LakeError> {
        if trusted.is_some_and(|trusted| version < trusted.version) {
            return Err(self.tampered("it is older than what the control store saw last"));
        }
        let newest = self.entry(version).await?;
        if newest.live != digest(live) {
            return Err(self.tampered("its live files are not those its newest entry was made for"));
        }
        let head = TableHead { version, mac: newest.mac };
        self.follows(version, newest, trusted).await?;
        Ok(head)
    }

    /// Whether these are the live files that the entry of a version was made for.
    pub(crate) async fn holds(&self, version: u64, live: &[FileEntry]) -> Result<bool, LakeError> {
        Ok(self.entry(version).await?.live == digest(live))
    }

    /// Walks back from a version to the trusted one, or to the first.
    async fn follows(
        &self,
        version: u64,
        newest: Checked,
        trusted: Option<TableHead>,
    ) -> Result<(), LakeError> {
        let (mut at, mut current) = (version, newest);
        loop {
            match trusted {
                Some(trusted) if at == trusted.version => {
                    return match current.mac == trusted.mac {
                        true => Ok(()),
                        false => Err(self.tampered("an entry was replaced")),
                    };
                }
                None if at == 0 => return Ok(()),
                _ => {}
            }
            let before = self.entry(at - 1).await?;
            if before.mac != current.previous {
                return Err(self.tampered("an entry was removed or replaced"));
            }
            (at, current) = (at - 1, before);
        }
    }

    async fn entry(&self, version: u64) -> Result<Checked, LakeError> {
        let bytes = self
            .log_store
            .read_commit_entry(version)
            .await
            .map_err(log::failed(self.table, "reading a head"))?
            .ok_or_else(|| self.tampered("an entry is missing"))?;
        commit_info(&bytes)
            .and_then(|info| serde_json::from_value::<HeadEntry>(info.get(HEAD)?.clone()).ok())
            .and_then(|entry| entry.checked(self.key, self.table, version))
            .ok_or_else(|| self.tampered("an entry was not written by this installation"))
    }

    fn tampered(&self, what: &'static str) -> LakeError {
        LakeError::Tampered { table: self.table.clone(), what }
    }
}

/// The information about a commit in its log entry.
pub(crate) fn commit_info(entry: &[u8]) -> Option<Value> {
    entry.split(|byte| *byte == b'\n').find_map(|line| {
        let action: Value = serde_json::from_slice(line).ok()?;
        action.get("commitInfo").cloned()
    })
}
