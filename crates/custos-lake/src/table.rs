//! The lake and its tables.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use custos_core::{BatchId, Clock, FileId, TableName};
use custos_keys::KeyService;
use deltalake_core::kernel::StructField;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::{DeltaTable, TableProperty};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::Url;

use crate::file_cache::FileCache;
use crate::log::{self, Commit, CommitOutcome, FileEntry, Snapshot};
use crate::{Access, LakeError, OpenFile, SealedObjects, TableSpec, TableWriter};

/// How often a table that changes is opened anew before giving up.
const OPEN_ATTEMPTS_MAX: u32 = 10;

/// All tables of a cell, in one folder.
#[derive(Clone)]
pub struct Lake {
    root: PathBuf,
    keys: Arc<KeyService>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Lake {
    /// The lake in this folder, which is created if it does not exist.
    pub fn open(
        root: &FsPath,
        keys: Arc<KeyService>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LakeError> {
        let opened = std::fs::create_dir_all(root).and_then(|()| root.canonicalize());
        let root = opened.map_err(|source| LakeError::Storage {
            operation: "opening the lake's folder",
            source: Box::new(source),
        })?;
        Ok(Self { root, keys, clock })
    }

    /// The sealed objects that are not tables: journals.
    pub fn objects(&self) -> Result<SealedObjects, LakeError> {
        SealedObjects::open(&self.root.join("journal"), Arc::clone(&self.keys))
    }

    /// The table of this shape, created if it does not exist, widened if it lacks columns.
    pub async fn table(&self, spec: Arc<TableSpec>) -> Result<Table, LakeError> {
        let folder = self.folder(spec.name());
        std::fs::create_dir_all(&folder).map_err(|source| LakeError::Storage {
            operation: "creating a table's folder",
            source: Box::new(source),
        })?;
        let delta = self.load_or_create(&spec, &folder).await?;
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(LakeError::storage("opening a table's folder"))?;
        Ok(Table {
            spec,
            delta: Arc::new(Mutex::new(delta)),
            store: Arc::new(store),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            cache: Arc::default(),
        })
    }

    /// Whether a table was ever written.
    pub fn exists(&self, name: &TableName) -> bool {
        // A crash may leave the log's folder without an entry.
        let log = std::fs::read_dir(self.folder(name).join("_delta_log"));
        log.is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".json")
            })
        })
    }

    fn folder(&self, name: &TableName) -> PathBuf {
        self.root.join(name.as_str().replace('.', "/"))
    }

    async fn load_or_create(
        &self,
        spec: &TableSpec,
        folder: &FsPath,
    ) -> Result<DeltaTable, LakeError> {
        let failed = log::failed(spec.name(), "opening it");
        let url = Url::from_directory_path(folder).map_err(|()| LakeError::Shape {
            table: spec.name().clone(),
            what: "its folder has no URL".into(),
        })?;
        if !self.exists(spec.name()) {
            let created = CreateBuilder::new()
                .with_location(url.as_str())
                .with_columns(spec.delta_fields())
                .with_configuration_property(TableProperty::DataSkippingNumIndexedCols, Some("0"))
                .await;
            // Another process may have created it meanwhile; then it loads.
            if let Ok(table) = created {
                return Ok(table);
            }
        }
        let table = deltalake_core::open_table(url).await.map_err(&failed)?;
        let missing = missing_fields(spec, &table).map_err(&failed)?;
        if missing.is_empty() {
            return Ok(table);
        }
        table.add_columns().with_fields(missing).await.map_err(&failed)
    }
}

fn missing_fields(
    spec: &TableSpec,
    table: &DeltaTable,
) -> Result<Vec<StructField>, deltalake_core::DeltaTableError> {
    let schema = table.snapshot()?.schema();
    Ok(spec.delta_fields().into_iter().filter(|field| !schema.contains(field.name())).collect())
}

/// One table of the lake.
#[derive(Clone)]
pub struct Table {
    spec: Arc<TableSpec>,
    delta: Arc<Mutex<DeltaTable>>,
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
        let mut delta = self.delta.lock().await;
        delta
            .update_state()
            .await
            .map_err(log::failed(self.name(), "reading its newest version"))?;
        log::snapshot(self.name(), &delta).await
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

    /// Makes files live and others not, in one step.
    pub async fn commit(
        &self,
        id: BatchId,
        add: Vec<FileEntry>,
        remove: Vec<FileEntry>,
    ) -> Result<CommitOutcome, LakeError> {
        let commit = Commit { id, add, remove, at: self.clock.now() };
        let mut delta = self.delta.lock().await;
        log::commit(self.name(), &mut delta, &commit).await
    }

    /// The version at which a commit went in, if it did.
    pub async fn committed(&self, id: BatchId) -> Result<Option<u64>, LakeError> {
        let mut delta = self.delta.lock().await;
        delta
            .update_state()
            .await
            .map_err(log::failed(self.name(), "reading its newest version"))?;
        log::committed(self.name(), &delta, id).await
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

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn keys(&self) -> &KeyService {
        &self.keys
    }
}
