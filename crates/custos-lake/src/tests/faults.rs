//! Every job, struck by every fault of object storage at every operation it can strike.
//!
//! Whatever happens, a job gives the right answer or an error. What another process then finds is
//! the state before the job or the state after it, and a repetition reaches the latter.

use std::collections::BTreeSet;
use std::fmt;

use arrow::buffer::BooleanBuffer;
use custos_core::FileId;
use custos_keys::{DestructionCause, SecretStore};
use custos_testkit::{Answer, Fault, FaultPlan, FaultStore};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::*;
use crate::compact::Layout;

/// What a process was about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Makes the table, and a load.
    Create,
    Read,
    Load,
    Compact,
    Erase,
    /// A load after which the log is written down in one piece.
    Checkpoint,
    Vacuum,
}

const LAYOUT: Layout =
    Layout { file_rows: 20, group_rows: 5, slice_rows: 30, run_rows: 1_000, files_min: 2 };

const ERASED: u32 = 7;

/// Later than anything is written.
const END: Timestamp = Timestamp::from_micros(i64::MAX);

/// An installation whose lake is in memory.
struct Copy<'a> {
    world: &'a World,
    objects: Arc<InMemory>,
    secrets: Arc<MemorySecretStore>,
    keys: Arc<KeyService>,
    heads: Arc<MemoryHeads>,
}

impl<'a> Copy<'a> {
    fn empty(world: &'a World) -> Self {
        // The log library asks the file system whether the place of a URL of files exists.
        std::fs::create_dir_all(world.folder.path().join("lake/landing/people")).unwrap();
        Self {
            world,
            objects: Arc::default(),
            secrets: Arc::clone(&world.secrets),
            keys: Arc::clone(&world.keys),
            heads: Arc::default(),
        }
    }

    /// Another like this one, with a store of secrets of its own.
    async fn fork(&self) -> Self {
        let secrets = Arc::new(MemorySecretStore::default());
        let owners = self.secrets.owners().await.unwrap();
        secrets.insert(&self.secrets.fetch(&owners).await.unwrap()).await.unwrap();
        let ring = LocalKeyRing::open(&self.world.folder.path().join("keys"), None).unwrap();
        let store = Arc::<MemorySecretStore>::clone(&secrets);
        let keys = KeyService::open(Arc::new(ring), store).await.unwrap();
        let heads = MemoryHeads::default();
        heads.set(spec().name(), self.heads.head(spec().name()).await.unwrap());
        Self {
            world: self.world,
            objects: Arc::new(self.objects.fork()),
            secrets,
            keys: Arc::new(keys),
            heads: Arc::new(heads),
        }
    }

    /// The lake as a new process sees it, through faults or without.
    fn lake(&self, plan: Option<&FaultPlan>) -> Lake {
        let objects = Arc::<InMemory>::clone(&self.objects) as Arc<dyn ObjectStore>;
        let storage = Storage::folder(&self.world.folder.path().join("lake")).unwrap();
        let storage = storage.through(|_| match plan {
            Some(plan) => Arc::new(FaultStore::new(objects, plan)),
            None => objects,
        });
        let heads = Arc::<MemoryHeads>::clone(&self.heads);
        let clock = Arc::<FakeClock>::clone(&self.world.clock);
        Lake::new(storage, Arc::clone(&self.keys), heads, clock)
    }

    async fn table(&self) -> Table {
        self.lake(None).table(Arc::new(spec())).await.unwrap()
    }

    /// Does a job in a new process, and returns the rows where it reads them. Under an id, so that
    /// doing it again changes nothing.
    async fn work(
        &self,
        job: Job,
        id: BatchId,
        plan: Option<&FaultPlan>,
    ) -> Result<Option<Vec<i64>>, LakeError> {
        let table = self.lake(plan).table(Arc::new(spec())).await?;
        match job {
            Job::Read => return numbers(self.world, &table).await.map(Some),
            Job::Create | Job::Load => load(&table, id).await?,
            Job::Checkpoint => {
                load(&table, id).await?;
                checkpoint(&table).await?;
            }
            Job::Compact => {
                let grant = self.world.grant(MaintenanceJob::Compaction);
                let Some(sorted) = table.sort(&grant, LAYOUT).await? else { return Ok(None) };
                let Some((_, replaced)) = table.replace(sorted).await? else { return Ok(None) };
                table.delete_bytes(&replaced).await?;
            }
            Job::Erase => self.erase(&table).await?,
            Job::Vacuum => self.vacuum(&table).await?,
        }
        Ok(None)
    }

    async fn erase(&self, table: &Table) -> Result<(), LakeError> {
        let grant = self.world.grant(MaintenanceJob::Erasure);
        let subjects = RoaringBitmap::from_iter([ERASED]);
        let selection = Selection::Subjects(&subjects);
        let prepared = rewrite::prepare(table, selection, &grant).await?;
        if !prepared.is_empty() {
            let replaced: Vec<_> = prepared.replaced.iter().map(|entry| entry.file).collect();
            let swapped = table.commit(id(), prepared.written, prepared.replaced.clone()).await?;
            assert_ne!(swapped, CommitOutcome::Conflict, "nobody else is at work");
            table.forget(&replaced);
            self.keys.destroy(&replaced, DestructionCause::Replaced, &*self.world.clock).await?;
            table.delete_bytes(&prepared.replaced).await?;
        }
        let proof = rewrite::verify(table, selection, &[], &grant).await?;
        assert_eq!(proof.hits(), 0);
        Ok(())
    }

    /// Destroys and deletes what no version names, as after a crash.
    async fn vacuum(&self, table: &Table) -> Result<(), LakeError> {
        let live = table.live_files().await?;
        let garbage = table.unneeded(&BTreeSet::new(), END).await?;
        let log = table.expired_log(END).await?;
        let owners = self.keys.owners().await?;
        let is_unnamed =
            |owner: &&FileId| !live.contains(owner) && **owner != KeyService::root_owner();
        let unnamed: Vec<FileId> = owners.iter().filter(is_unnamed).copied().collect();
        self.keys.destroy(&unnamed, DestructionCause::Abandoned, &*self.world.clock).await?;
        table.delete_garbage(&garbage).await?;
        table.delete_garbage(&log).await
    }

    /// The rows that a healthy process reads, of whose files it checked every byte.
    async fn rows(&self) -> Vec<i64> {
        let table = self.table().await;
        for entry in table.snapshot().await.unwrap().files {
            table.check_bytes(&entry).await.unwrap();
        }
        numbers(self.world, &table).await.unwrap()
    }

    /// The data files that are there, live or not.
    async fn data_files(&self) -> BTreeSet<FileId> {
        let objects: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        let names = objects.iter().filter_map(|object| object.location.filename());
        names.filter_map(crate::log::file_at).collect()
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

async fn checkpoint(table: &Table) -> Result<(), LakeError> {
    let mut log = table.log().lock().await;
    let version = log.snapshot().await?.version;
    log.checkpoint(version).await
}

/// An installation before a job, and the rows before and after it.
struct Case<'a> {
    job: Job,
    base: Copy<'a>,
    before: Vec<i64>,
    after: Vec<i64>,
    /// What happened until then, deletions included.
    history: FaultPlan,
}

impl<'a> Case<'a> {
    /// A table with three loads, made longer and left untidy where the job needs it.
    async fn new(world: &'a World, job: Job) -> Self {
        let base = Copy::empty(world);
        let history = FaultPlan::counting(Fault::DiesBefore);
        let mut before = Vec::new();
        if job != Job::Create {
            let lake = base.lake(Some(&history));
            let table = lake.table(Arc::new(spec())).await.unwrap();
            for range in [1..20, 20..25, 25..45] {
                append(&table, &people(range)).await;
            }
            before = (1..45).collect();
            if job == Job::Vacuum {
                base.litter(&table).await;
                checkpoint(&table).await.unwrap();
                table.commit(id(), Vec::new(), Vec::new()).await.unwrap();
            }
        }
        let after = match job {
            Job::Create | Job::Load | Job::Checkpoint => {
                before.iter().copied().chain(100..110).collect()
            }
            Job::Read | Job::Compact | Job::Vacuum => before.clone(),
            Job::Erase => before.iter().copied().filter(|n| *n != i64::from(ERASED)).collect(),
        };
        Self { job, base, before, after, history }
    }

    /// How often a fault can strike the job.
    async fn operations(&self, fault: Fault) -> usize {
        let plan = FaultPlan::counting(fault).following(&self.history);
        self.base.fork().await.work(self.job, id(), Some(&plan)).await.unwrap();
        plan.operations()
    }

    async fn survives(&self, plan: FaultPlan, which: &dyn fmt::Debug) {
        let copy = self.base.fork().await;
        let (job, id, plan) = (self.job, id(), plan.following(&self.history));
        let answer = copy.work(job, id, Some(&plan)).await;
        if let Ok(Some(rows)) = &answer {
            assert_eq!(rows, &self.before, "{job:?} {which:?}");
        }
        let found = if job == Job::Create && copy.is_empty().await {
            Vec::new()
        } else {
            copy.rows().await
        };
        let is_right = found == self.after || (answer.is_err() && found == self.before);
        assert!(is_right, "{job:?} {which:?}: {answer:?}, {found:?}");
        copy.work(job, id, None).await.unwrap();
        assert_eq!(copy.rows().await, self.after, "{job:?} {which:?}");
        copy.work(Job::Vacuum, id, None).await.unwrap();
        assert_eq!(copy.rows().await, self.after, "{job:?} {which:?}");
        let live = copy.table().await.live_files().await.unwrap();
        assert_eq!(copy.data_files().await, live, "{job:?} {which:?}");
    }
}

impl Copy<'_> {
    async fn is_empty(&self) -> bool {
        self.objects.list(None).try_next().await.unwrap().is_none()
    }

    /// Leaves what crashes leave: bytes of replaced files, files that never were in the table, and
    /// one that was deleted since.
    async fn litter(&self, table: &Table) {
        let grant = self.world.grant(MaintenanceJob::Compaction);
        let sorted = table.sort(&grant, LAYOUT).await.unwrap().unwrap();
        let (_, replaced) = table.replace(sorted).await.unwrap().unwrap();
        table.delete_bytes(&replaced[..1]).await.unwrap();
        write(table, &people(200..210)).await;
    }
}

async fn every_fault(job: Job, faults: impl IntoIterator<Item = Fault>) {
    let world = World::new().await;
    let case = Case::new(&world, job).await;
    for fault in faults {
        let operations = case.operations(fault).await;
        for at in 0..operations {
            case.survives(FaultPlan::at(fault, at), &(fault, at)).await;
        }
        if matches!(fault, Fault::ListedLate | Fault::ListedStill) {
            assert!(operations > 0, "{job:?}");
            case.survives(FaultPlan::from(fault, 0), &(fault, "from the first on")).await;
        }
    }
}

#[tokio::test]
async fn a_table_is_made_and_loaded_or_not_whatever_fails() {
    every_fault(Job::Create, Fault::ALL).await;
}

#[tokio::test]
async fn a_reading_is_right_or_fails() {
    every_fault(Job::Read, Fault::ALL).await;
}

#[tokio::test]
async fn a_load_happens_once_whatever_fails() {
    every_fault(Job::Load, Fault::ALL).await;
}

#[tokio::test]
async fn a_compaction_loses_nothing_whatever_fails() {
    every_fault(Job::Compact, Fault::ALL).await;
}

#[tokio::test]
async fn an_erasure_forgets_one_and_keeps_the_others_whatever_fails() {
    every_fault(Job::Erase, Fault::ALL).await;
}

#[tokio::test]
async fn a_checkpoint_changes_nothing_whatever_fails() {
    every_fault(Job::Checkpoint, Fault::ALL).await;
}

#[tokio::test]
async fn a_vacuum_takes_nothing_that_is_needed_whatever_fails() {
    every_fault(Job::Vacuum, Fault::ALL).await;
}

/// The commit is in the log, nobody remembers it, and listings do not show it yet: what it made
/// live must not be taken for what a crash left.
#[tokio::test]
async fn what_a_crash_committed_survives_a_vacuum_whose_listings_lag_behind() {
    let world = World::new().await;
    for job in [Job::Load, Job::Compact, Job::Erase] {
        let case = Case::new(&world, job).await;
        for fault in [Fault::DiesAfter, Fault::Lost(Answer::Timeout)] {
            for at in 0..case.operations(fault).await {
                let copy = case.base.fork().await;
                let id = id();
                let _died = copy.work(job, id, Some(&FaultPlan::at(fault, at))).await;
                let late = FaultPlan::from(Fault::ListedLate, 0);
                let _refused = copy.work(Job::Vacuum, id, Some(&late)).await;
                let found = copy.rows().await;
                assert!(found == case.before || found == case.after, "{job:?} {fault:?} {at}");
                copy.work(job, id, None).await.unwrap();
                assert_eq!(copy.rows().await, case.after, "{job:?} {fault:?} {at}");
            }
        }
    }
}

#[tokio::test]
async fn a_scan_asks_the_store_once_for_all_of_its_small_row_groups() {
    let world = World::new().await;
    let copy = Copy::empty(&world);
    copy.work(Job::Create, id(), None).await.unwrap();
    copy.work(Job::Load, id(), None).await.unwrap();
    copy.work(Job::Compact, id(), None).await.unwrap();
    let plan = FaultPlan::counting(Fault::Truncated);
    let table = copy.lake(Some(&plan)).table(Arc::new(spec())).await.unwrap();
    let grant = world.grant(MaintenanceJob::Verification);
    let access = Access::Maintenance(&grant);
    let (_, files) = table.open_current(access).await.unwrap();
    let file = files.iter().max_by_key(|file| file.row_groups().len()).unwrap();
    let groups = file.row_groups();
    assert!(groups.len() > 2, "{groups:?}");
    let rows: usize = groups.iter().sum();
    let every_other = BooleanBuffer::collect_bool(rows, |row| row % 2 == 0);
    let columns: Vec<usize> = (0..spec().columns().len()).collect();
    for (rows, wanted) in [(None, rows), (Some(every_other), rows.div_ceil(2))] {
        let before = plan.operations();
        let range = RowRange { row_groups: 0..groups.len(), rows };
        let batches = file.read(access, &columns, range, 100).unwrap();
        let batches: Vec<_> = batches.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), wanted);
        assert_eq!(plan.operations() - before, 1);
    }
}
