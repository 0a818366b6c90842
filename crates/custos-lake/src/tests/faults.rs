//! A process that dies at each of its writes, and a store whose answers get lost.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use custos_keys::DestructionCause;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result,
};

use super::*;
use crate::compact::Layout;

/// What goes wrong at one write, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The process dies before it.
    DiesBefore(usize),
    /// The process dies after it, before it learns of it.
    DiesAfter(usize),
    /// It happens, and the answer says that it did not.
    LostAnswer(usize),
    /// It does not happen, and the answer says so.
    Refused(usize),
}

/// A store that counts writes and fails at one.
#[derive(Debug)]
struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    writes: Arc<AtomicUsize>,
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultStore")
    }
}

fn failure() -> Error {
    Error::Generic { store: "FaultStore", source: "a fault on purpose".into() }
}

/// Before a write: whether it may happen, and whether its answer arrives.
fn before(fault: Fault, writes: &AtomicUsize) -> Result<bool> {
    let number = writes.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::DiesBefore(at) if number >= at => Err(failure()),
        Fault::DiesAfter(at) if number > at => Err(failure()),
        Fault::Refused(at) if number == at => Err(failure()),
        Fault::DiesAfter(at) | Fault::LostAnswer(at) => Ok(number != at),
        _ => Ok(true),
    }
}

impl FaultStore {
    fn is_dead(&self) -> Result<()> {
        let writes = self.writes.load(Ordering::SeqCst);
        match self.fault {
            Fault::DiesBefore(at) | Fault::DiesAfter(at) if writes > at => Err(failure()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let answered = before(self.fault, &self.writes)?;
        let put = self.inner.put_opts(location, payload, options).await?;
        if answered { Ok(put) } else { Err(failure()) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.is_dead()?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.is_dead()?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.is_dead()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, writes, fault) =
            (Arc::clone(&self.inner), Arc::clone(&self.writes), self.fault);
        let delete = move |location: Result<Path>| {
            let (inner, writes) = (Arc::clone(&inner), Arc::clone(&writes));
            async move {
                let location = location?;
                let answered = before(fault, &writes)?;
                inner.delete(&location).await?;
                if answered { Ok(location) } else { Err(failure()) }
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.is_dead()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// What a process was about to do.
#[derive(Debug, Clone, Copy)]
enum Job {
    Load,
    Compact,
    Erase,
    /// Loads up to the commit at which the log is written down in one piece.
    Checkpoint,
}

const LAYOUT: Layout =
    Layout { file_rows: 20, group_rows: 5, slice_rows: 30, run_rows: 1_000, files_min: 2 };

const ERASED: u32 = 7;

impl World {
    fn through(&self, fault: Fault) -> (Lake, Arc<AtomicUsize>) {
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        let storage = Storage::folder(&self.folder.path().join("lake")).unwrap();
        let storage =
            storage.through(|inner| Arc::new(FaultStore { inner, fault, writes: counted }));
        let heads = Arc::<MemoryHeads>::clone(&self.heads);
        let clock = Arc::<FakeClock>::clone(&self.clock);
        (Lake::new(storage, Arc::clone(&self.keys), heads, clock), writes)
    }

    /// Does a job under an id of its own; doing it again changes nothing.
    async fn work(&self, lake: &Lake, job: Job, id: BatchId) -> Result<(), LakeError> {
        let table = lake.table(Arc::new(spec())).await?;
        match job {
            Job::Load => load(&table, id).await,
            Job::Compact => {
                let grant = self.grant(MaintenanceJob::Compaction);
                let Some(sorted) = table.sort(&grant, LAYOUT).await? else { return Ok(()) };
                let Some((_, replaced)) = table.replace(sorted).await? else { return Ok(()) };
                table.delete_bytes(&replaced).await
            }
            Job::Erase => self.erase(&table).await,
            Job::Checkpoint => {
                while table.snapshot().await?.version < 49 {
                    table.commit(super::id(), Vec::new(), Vec::new()).await?;
                }
                load(&table, id).await
            }
        }
    }

    async fn erase(&self, table: &Table) -> Result<(), LakeError> {
        let grant = self.grant(MaintenanceJob::Erasure);
        let subjects = RoaringBitmap::from_iter([ERASED]);
        let selection = Selection::Subjects(&subjects);
        let prepared = rewrite::prepare(table, selection, &grant).await?;
        if prepared.is_empty() {
            return Ok(());
        }
        let replaced: Vec<_> = prepared.replaced.iter().map(|entry| entry.file).collect();
        table.commit(id(), prepared.written, prepared.replaced.clone()).await?;
        self.keys.destroy(&replaced, DestructionCause::Replaced, &*self.clock).await?;
        table.delete_bytes(&prepared.replaced).await
    }
}

async fn load(table: &Table, id: BatchId) -> Result<(), LakeError> {
    if table.committed(id).await?.is_some() {
        return Ok(());
    }
    let mut writer = table.writer();
    writer.write(&people(100..110)).await?;
    table.commit(id, writer.finish().await?, Vec::new()).await.map(|_| ())
}

/// A table with three loads, and what is in it before and after a job.
async fn prepared(job: Job) -> (World, Vec<i64>, Vec<i64>) {
    let world = World::new().await;
    let table = world.table().await;
    for range in [1..20, 20..25, 25..45] {
        append(&table, &people(range)).await;
    }
    let before: Vec<i64> = (1..45).collect();
    let after = match job {
        Job::Load | Job::Checkpoint => (1..45).chain(100..110).collect(),
        Job::Compact => before.clone(),
        Job::Erase => before.iter().copied().filter(|n| *n != i64::from(ERASED)).collect(),
    };
    (world, before, after)
}

async fn writes_of(job: Job) -> usize {
    let (world, ..) = prepared(job).await;
    let (lake, writes) = world.through(Fault::Nothing);
    world.work(&lake, job, id()).await.unwrap();
    writes.load(Ordering::SeqCst)
}

/// After a fault everything is as before or as after, opens, and the job can be repeated.
async fn survives(job: Job, fault: Fault) {
    let (world, before, after) = prepared(job).await;
    let (lake, _) = world.through(fault);
    let id = id();
    let _interrupted = world.work(&lake, job, id).await;
    let found = numbers(&world, &world.table().await).await.unwrap();
    assert!(found == before || found == after, "{job:?} {fault:?}: {found:?}");
    world.work(&world.lake(), job, id).await.unwrap();
    let table = world.table().await;
    assert_eq!(numbers(&world, &table).await.unwrap(), after, "{job:?} {fault:?}");
    for entry in table.snapshot().await.unwrap().files {
        table.check_bytes(&entry).await.unwrap();
    }
}

async fn every_fault(job: Job) {
    let writes = writes_of(job).await;
    assert!(writes > 0);
    // Of the many commits that lead to a checkpoint only the last are of interest.
    let first = if let Job::Checkpoint = job { writes.saturating_sub(5) } else { 0 };
    for at in first..writes {
        for fault in
            [Fault::DiesBefore(at), Fault::DiesAfter(at), Fault::LostAnswer(at), Fault::Refused(at)]
        {
            survives(job, fault).await;
        }
    }
}

#[tokio::test]
async fn a_load_survives_a_fault_at_every_write() {
    every_fault(Job::Load).await;
}

#[tokio::test]
async fn a_compaction_survives_a_fault_at_every_write() {
    every_fault(Job::Compact).await;
}

#[tokio::test]
async fn an_erasure_survives_a_fault_at_every_write() {
    every_fault(Job::Erase).await;
}

#[tokio::test]
async fn a_checkpoint_survives_a_fault_at_every_write() {
    every_fault(Job::Checkpoint).await;
}
