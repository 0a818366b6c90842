//! The lake and its tables.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use custos_core::{BatchId, Clock, FileId, TableName};
use custos_keys::{KeyService, MacKey, NamedKey};
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::file_cache::FileCache;
use crate::log::{Commit, CommitOutcome, FileEntry, Snapshot, TableLog};
use crate::writer::FileLayout;
use crate::{
    Access, HeadStore, LakeError, OpenFile, SealedLog, SealedObjects, Storage, TableSpec,
    TableWriter,
};

/// How often a table that changes is opened anew before giving up.
const OPEN_ATTEMPTS_MAX: u32 = 10;

/// All tables of a cell, in one place of an object store.
#[derive(Clone)]
pub struct Lake {
    storage: Storage,
    keys: Arc<KeyService>,
    clock: Arc<dyn Clock>,
    heads: Arc<dyn HeadStore>,
    head_key: Arc<MacKey>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("storage", &self.storage).finish_non_exhaustive()
    }
}

impl Lake {
    /// The lake in this place.
    pub fn new(
        storage: Storage,
        keys: Arc<KeyService>,
        heads: Arc<dyn HeadStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let head_key = Arc::new(keys.mac_key(NamedKey::TableHead));
        Self { storage, keys, clock, heads, head_key }
    }

    /// The sealed objects that are not tables: journals.
    pub fn objects(&self) -> SealedObjects {
        SealedObjects::new(self.storage.below("journal").store(), Arc::clone(&self.keys))
    }

    /// The record of what was erased, which outlives every copy of the control store.
    pub fn erasures(&self) -> SealedLog {
        SealedLog::new(self.storage.below("ledger").store(), self.keys.ledger_secret())
    }

    /// The table of this shape, created if it does not exist, widened if it lacks columns.
    pub async fn table(&self, spec: Arc<TableSpec>) -> Result<Table, LakeError> {
        let storage = self.storage.below(&spec.name().as_str().replace('.', "/"));
        let (key, heads) = (Arc::clone(&self.head_key), Arc::clone(&self.heads));
        let log = TableLog::open(&spec, &storage, key, heads).await?;
        Ok(Table {
            spec,
            log: Arc::new(Mutex::new(log)),
            store: storage.store(),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            cache: Arc::default(),
        })
    }
}

/// One table of the lake.
#[derive(Clone)]
pub struct Table {
    spec: Arc<TableSpec>,
    log: Arc<Mutex<TableLog>>,
    store: Arc<dyn ObjectStore>,
    keys: Arc<KeyService>,
    clock: Arc<dyn Clock>,
    cache: Arc<FileCache>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", self.name()).finish_non_exhaustive()
    }
}

impl Table {
    /// The table's name.
    pub fn name(&self) -> &TableName {
        self.spec.name()
    }

    /// The table's columns.
    pub const fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    /// The live files as of now.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        self.log.lock().await.snapshot().await
    }

    /// Opens all live files as of now.
    ///
    /// A job may replace files and destroy their secrets between listing and opening; then the
    /// newer list is opened.
    pub async fn open_current(
        &self,
        access: Access<'_>,
    ) -> Result<(Snapshot, Vec<Arc<OpenFile>>), LakeError> {
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let now = self.snapshot().await?;
            self.cache.retain(&now.files);
            match self.open(&now.files, access).await {
                Ok(files) => return Ok((now, files)),
                Err(error) if self.snapshot().await?.version == now.version => return Err(error),
                Err(_) => {}
            }
        }
        Err(LakeError::Contention { table: self.name().clone(), attempts: OPEN_ATTEMPTS_MAX })
    }

    /// Begins to write rows into new files.
    pub const fn writer(&self) -> TableWriter<'_> {
        TableWriter::new(self)
    }

    /// Begins to write rows into new files cut in a certain way.
    pub(crate) const fn writer_of(&self, layout: FileLayout) -> TableWriter<'_> {
        TableWriter::with_layout(self, layout)
    }

    /// Makes files live and others not, in one step.
    pub async fn commit(
        &self,
        id: BatchId,
        add: Vec<FileEntry>,
        remove: Vec<FileEntry>,
    ) -> Result<CommitOutcome, LakeError> {
        let commit = Commit { id, add, remove, at: self.clock.now() };
        self.log.lock().await.commit(&commit).await
    }

    /// The version at which a commit went in, if it did.
    pub async fn committed(&self, id: BatchId) -> Result<Option<u64>, LakeError> {
        self.log.lock().await.committed(id).await
    }

    /// Deletes the bytes of files that no version will need again. Missing ones are no error.
    pub async fn delete_bytes(&self, files: &[FileEntry]) -> Result<(), LakeError> {
        for entry in files {
            let path = object_store::path::Path::from(entry.path.as_str());
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(LakeError::storage("deleting a data file")(error)),
            }
        }
        Ok(())
    }

    /// Compares a file's bytes with the digest in its log entry.
    pub async fn check_bytes(&self, entry: &FileEntry) -> Result<(), LakeError> {
        let wrong =
            |what| LakeError::Integrity { table: self.name().clone(), file: entry.file, what };
        let path = object_store::path::Path::from(entry.path.as_str());
        let bytes = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(LakeError::storage("reading a data file"))?,
            Err(object_store::Error::NotFound { .. }) => return Err(wrong("it is missing")),
            Err(error) => return Err(LakeError::storage("reading a data file")(error)),
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if digest == entry.sha256 { Ok(()) } else { Err(wrong("its digest differs")) }
    }

    /// Deletes data files whose ids are not in `named`, and returns how many. Only for who holds
    /// off all writers.
    pub async fn delete_unlisted(&self, named: &BTreeSet<FileId>) -> Result<u64, LakeError> {
        let objects: Vec<_> = self
            .store
            .list_with_delimiter(None)
            .await
            .map_err(LakeError::storage("listing data files"))?
            .objects;
        let mut deleted = 0;
        for object in objects {
            let stem = object.location.filename().and_then(|name| name.strip_suffix(".parquet"));
            let file: Option<FileId> = stem.and_then(|stem| stem.parse().ok());
            if file.is_some_and(|file| !named.contains(&file)) {
                self.store
                    .delete(&object.location)
                    .await
                    .map_err(LakeError::storage("deleting a data file"))?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Forgets open files whose secrets are being destroyed.
    pub fn forget(&self, files: &[FileId]) {
        self.cache.forget(files);
    }

    pub(crate) fn cache(&self) -> &FileCache {
        &self.cache
    }

    pub(crate) const fn log(&self) -> &Arc<Mutex<TableLog>> {
        &self.log
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn keys(&self) -> &KeyService {
        &self.keys
    }
}
