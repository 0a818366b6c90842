//! The readers of the lake, given any bytes: bodies of the fuzz targets in `fuzz/`, which tests run
//! too.
//!
//! Whoever can write to the bucket has no keys. What they leave there must be refused, or change
//! nothing; it must not end the process, and not take its memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use custos_core::{BatchId, Classify, ErrorKind, KeyClass, Timestamp};
use custos_keys::{KeyService, LocalKeyRing, MemorySecretStore};
use custos_lake::{
    Access, ColumnSpec, FileEntry, HeadStore, Lake, LakeError, MemoryHeads, RowRange, Storage,
    Table, TableHead, TableSpec,
};
use custos_policy::{MaintenanceJob, PolicyFiles, PolicySet};
use custos_testkit::{FakeClock, workspace_root};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const ROWS: i64 = 200;

/// No reading of a small table takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was read as it was written.
    Right,
    /// It was refused, as an attack is to be.
    Refused,
}

/// A small table in memory whose objects somebody else changes.
pub struct Victim {
    runtime: Runtime,
    folder: TempDir,
    objects: InMemory,
    keys: Arc<KeyService>,
    head: Option<TableHead>,
    policy: PolicySet,
    spec: Arc<TableSpec>,
    live: Vec<FileEntry>,
    rows: Vec<RecordBatch>,
    data: Path,
    log: Vec<Path>,
}

impl std::fmt::Debug for Victim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Victim(..)")
    }
}

impl Victim {
    /// A table of one file and at least so many commits.
    pub fn new(commits: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None)?;
        let store = Arc::new(MemorySecretStore::default());
        let keys = runtime.block_on(KeyService::initialise(Arc::new(ring), store))?;
        let files = PolicyFiles::from_dir(&workspace_root().join("policies"))?;
        let Ok(policy) = PolicySet::load(&files) else { bail!("the policies have mistakes") };
        let columns = vec![
            ColumnSpec::value("email", DataType::Utf8, KeyClass::Identifier),
            ColumnSpec::value("n", DataType::Int64, KeyClass::Fact),
        ];
        // The log library asks the file system whether the place of a URL of files exists.
        std::fs::create_dir_all(folder.path().join("lake/landing/hostile"))?;
        let mut victim = Self {
            runtime,
            folder,
            objects: InMemory::new(),
            keys: Arc::new(keys),
            head: None,
            policy,
            spec: Arc::new(TableSpec::new("landing.hostile".parse()?, columns)?),
            live: Vec::new(),
            rows: Vec::new(),
            data: Path::default(),
            log: Vec::new(),
        };
        victim.fill(commits)?;
        Ok(victim)
    }

    fn fill(&mut self, commits: u64) -> Result<()> {
        let objects = Arc::new(self.objects.fork());
        let heads = Arc::new(MemoryHeads::default());
        let filled = async {
            let table = self.table(&objects, &heads).await?;
            let mut writer = table.writer();
            writer.write(&rows(&self.spec)?).await?;
            table.commit(batch(0), writer.finish().await?, Vec::new()).await?;
            for number in 1..commits {
                table.commit(batch(number), Vec::new(), Vec::new()).await?;
            }
            let live = table.snapshot().await?.files;
            let read = self.read(&table, &live).await?;
            anyhow::Ok((live, read, heads.head(self.spec.name()).await?))
        };
        (self.live, self.rows, self.head) = self.runtime.block_on(filled)?;
        let paths: Vec<Path> = self
            .runtime
            .block_on(objects.list(None).map_ok(|object| object.location).try_collect())?;
        let (log, data) = paths.into_iter().partition(|path| path.as_ref().contains("_delta_log"));
        self.log = log;
        self.data = Vec::into_iter(data).next().context("no data file")?;
        self.objects = objects.fork();
        Ok(())
    }

    /// The bytes of the data file.
    pub fn data_file(&self) -> Result<Vec<u8>> {
        self.bytes(&self.data)
    }

    /// The bytes of each object of the log, in the order of their names.
    pub fn log_objects(&self) -> Result<Vec<Vec<u8>>> {
        self.log.iter().map(|path| self.bytes(path)).collect()
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let read = async { self.objects.get(path).await?.bytes().await };
        Ok(self.runtime.block_on(read)?.into())
    }

    /// Reads everything, with other bytes at the end of the data file, whose length stays: of
    /// another length it is not even opened.
    ///
    /// # Errors
    ///
    /// If what was read is wrong, or the error is not the one that an attack deserves.
    pub fn read_file(&self, end: &[u8]) -> Result<Verdict> {
        let mut bytes = self.data_file()?;
        let end = &end[end.len().saturating_sub(bytes.len())..];
        let from = bytes.len() - end.len();
        bytes[from..].copy_from_slice(end);
        self.read_with(&self.data, bytes)
    }

    /// Reads everything, with other bytes in the place of an object of the log.
    ///
    /// # Errors
    ///
    /// As [`Victim::read_file`].
    pub fn read_log(&self, object: usize, bytes: &[u8]) -> Result<Verdict> {
        let path = self.log.get(object % self.log.len()).context("no log")?;
        self.read_with(path, bytes.to_vec())
    }

    fn read_with(&self, path: &Path, bytes: Vec<u8>) -> Result<Verdict> {
        let objects = Arc::new(self.objects.fork());
        let heads = Arc::new(MemoryHeads::default());
        heads.set(self.spec.name(), self.head);
        let read = async {
            objects.put(path, bytes.into()).await.context("memory is full")?;
            let table = match self.table(&objects, &heads).await {
                Ok(table) => table,
                Err(error) => return refused(&error),
            };
            let live = match table.snapshot().await {
                Ok(snapshot) => snapshot.files,
                Err(error) => return refused(&error),
            };
            ensure!(same(&live, &self.live), "other live files are believed");
            match self.read(&table, &live).await {
                Ok(rows) => ensure!(rows == self.rows, "other rows are read"),
                Err(error) => return refused(&error),
            }
            Ok(Verdict::Right)
        };
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
        ended.context("the reading does not end")?
    }

    async fn table(
        &self,
        objects: &Arc<InMemory>,
        heads: &Arc<MemoryHeads>,
    ) -> Result<Table, LakeError> {
        let objects = Arc::<InMemory>::clone(objects) as Arc<dyn ObjectStore>;
        let storage = Storage::folder(&self.folder.path().join("lake"))?.through(|_| objects);
        let heads = Arc::<MemoryHeads>::clone(heads);
        let clock = Arc::new(FakeClock::at(Timestamp::from_micros(0)));
        let lake = Lake::new(storage, Arc::clone(&self.keys), heads, clock);
        lake.table(Arc::clone(&self.spec)).await
    }

    async fn read(&self, table: &Table, live: &[FileEntry]) -> Result<Vec<RecordBatch>, LakeError> {
        let grant = self.policy.maintenance(MaintenanceJob::Verification, table.name());
        let access = Access::Maintenance(&grant);
        let columns: Vec<usize> = (0..self.spec.columns().len()).collect();
        let mut rows = Vec::new();
        for file in table.open(live, access).await? {
            for row_group in 0..file.row_groups().len() {
                let range = RowRange::group(row_group);
                let read = file.read(access, &columns, range, 64)?;
                rows.extend(read.try_collect::<Vec<_>>().await?);
            }
        }
        Ok(rows)
    }
}

/// Whether two lists name the same files with the same content. Since when a file is live is in no
/// head: it only tells which files to sort first.
fn same(left: &[FileEntry], right: &[FileEntry]) -> bool {
    let without_time = |entry: &FileEntry| FileEntry { since: 0, ..entry.clone() };
    left.iter().map(without_time).eq(right.iter().map(without_time))
}

fn refused(error: &LakeError) -> Result<Verdict> {
    let is_of_an_attack =
        error.kind() == ErrorKind::Integrity || matches!(error, LakeError::Log { .. });
    ensure!(is_of_an_attack, "refused for another reason: {error:?}");
    Ok(Verdict::Refused)
}

fn batch(number: u64) -> BatchId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    BatchId::from_random(id)
}

fn rows(spec: &TableSpec) -> Result<RecordBatch> {
    let numbers = || 1..=ROWS;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers())),
        Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("m{}@x.test", n % 7)))),
        Arc::new(Int64Array::from_iter_values(numbers().map(|n| n * n))),
    ];
    Ok(RecordBatch::try_new(Arc::clone(spec.schema()), columns)?)
}
