use std::fs;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use custos_audit::{AuditLog, AuditStore, Entry, MemoryAuditStore, Outcome, SignedHead};
use custos_consent::ConsentBook;
use custos_core::{BatchId, Classify, ErrorKind, KeyClass, StoreError, Timestamp};
use custos_keys::{LocalKeyRing, MemorySecretStore, random_bytes};
use custos_lake::{ColumnSpec, Lake, Layout, MemoryHeads, Storage, Table, TableSpec, vault};
use custos_policy::{Dataset, DatasetColumn, MaintenanceJob, PolicyFiles};
use custos_testkit::{FakeClock, workspace_root};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use roaring::RoaringBitmap;
use tempfile::TempDir;

use super::*;
use crate::{Epochs, Population, RowStream};

pub(crate) const CANARY: &str = "canary-7f3a";
const MIB: u64 = 1 << 20;

/// A sort, an aggregate, a window and a distinct, none of which fits in little memory.
const LARGE: [&str; 4] = [
    "select canary_text, n from people order by canary_text desc",
    "select canary_text, count(*) as rows, sum(n) as total from people group by canary_text",
    "select canary_text, n, row_number() over (partition by g order by canary_text) as place from people",
    "select distinct canary_text, n from people",
];

/// Everybody is visible, short of consent.
#[derive(Debug)]
struct Everybody {
    /// Whether the control store answers.
    answers: bool,
}

#[async_trait]
impl Population for Everybody {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        match self.answers {
            true => Ok(Epochs::default()),
            false => std::future::pending().await,
        }
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        Ok(ConsentBook::default())
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        Ok(RoaringBitmap::new())
    }
}

/// A lake with one published table, and somebody who may see all of it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) keys: Arc<KeyService>,
    pub(crate) policy: Arc<PolicySet>,
    pub(crate) clock: Arc<FakeClock>,
    lake: Lake,
    pub(crate) table: Table,
    pub(crate) audit: Arc<AuditLog>,
}

/// What runs statements in a world.
pub(crate) struct Doors {
    pub(crate) governor: Governor,
    pub(crate) executor: Arc<Executor>,
}

impl World {
    pub(crate) async fn with_rows(rows: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("spill")).unwrap();
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None).unwrap();
        let store = Arc::new(MemorySecretStore::default());
        let keys = Arc::new(KeyService::initialise(Arc::new(ring), store).await.unwrap());
        let files = PolicyFiles::from_dir(&workspace_root().join("policies")).unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp::from_micros(0)));
        let lake = Lake::new(
            Storage::folder(&folder.path().join("lake")).unwrap(),
            Arc::clone(&keys),
            Arc::<MemoryHeads>::default(),
            Arc::<FakeClock>::clone(&clock),
        );
        let table = lake.table(Arc::new(spec())).await.unwrap();
        let audit = AuditLog::new(
            Arc::new(MemoryAuditStore::new()),
            keys.signing_key(),
            Arc::<FakeClock>::clone(&clock),
        );
        let policy = Arc::new(PolicySet::load(&files).unwrap());
        let world = Self { folder, keys, policy, clock, lake, table, audit: Arc::new(audit) };
        world.append(rows).await;
        world
    }

    /// Sorts all rows by subject into files and row groups that are small.
    pub(crate) async fn sort(&self, file_rows: usize, group_rows: usize) {
        let layout = Layout { file_rows, group_rows, files_min: 1, ..Layout::default() };
        let grant = self.policy.maintenance(MaintenanceJob::Compaction, self.table.name());
        let sorted = self.table.sort(&grant, layout).await.unwrap().unwrap();
        self.table.replace(sorted).await.unwrap().unwrap();
    }

    pub(crate) async fn append(&self, rows: i64) {
        let mut writer = self.table.writer();
        for from in (0..rows).step_by(50_000) {
            writer.write(&people(from..rows.min(from + 50_000))).await.unwrap();
        }
        let written = writer.finish().await.unwrap();
        let id = BatchId::from_random(random_bytes().unwrap());
        self.table.commit(id, written, Vec::new()).await.unwrap();
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::with_spill_in(self.folder.path().join("spill"))
    }

    /// Enough memory for the partitions to spill, and far too little for the rows.
    fn little_memory(&self) -> Limits {
        let partitions = std::thread::available_parallelism().unwrap().get() as u64;
        Limits { statement_memory_bytes: 32 * MIB * partitions, ..self.limits() }
    }

    pub(crate) async fn doors(&self, limits: Limits) -> Doors {
        self.doors_over(Everybody { answers: true }, limits).await
    }

    pub(crate) async fn doors_over(
        &self,
        population: impl Population + 'static,
        limits: Limits,
    ) -> Doors {
        let dataset = Dataset {
            table: spec().name().clone(),
            columns: ["canary_text", "n", "g"].map(column).into(),
            purposes: vec!["legal_claims".parse().unwrap(), "functional".parse().unwrap()],
            unattributed_visible: false,
            // Totals need no consent there.
            jurisdiction: "us".to_owned(),
            event_time: None,
        };
        let table = self.lake.table(Arc::new(spec())).await.unwrap();
        let mut catalog = Catalog::default();
        let source = Arc::new(GovernedSource::new(dataset, table));
        catalog.sources.insert(spec().name().clone(), source);
        let view = View {
            sql: "select person_id, subject_id, canary_text, n, g from landing.people".to_owned(),
            views: Vec::new(),
            tables: vec![spec().name().clone()],
        };
        catalog.views.insert("people".to_owned(), view);
        let view = View {
            sql:
                "select case when n < 5 then 'new' when n < 20 then 'young' else 'old' end as age, \
                  count(*) filter (where n >= 0) as many from customer.people group by age"
                    .to_owned(),
            views: vec!["people".to_owned()],
            tables: Vec::new(),
        };
        catalog.views.insert("counted".to_owned(), view);
        let clock = || Arc::<FakeClock>::clone(&self.clock);
        let (policy, keys) = (Arc::clone(&self.policy), Arc::clone(&self.keys));
        let governor = Governor::new(policy, catalog, keys, clock(), limits).unwrap();
        let persons = self.lake.table(Arc::new(vault::persons_spec().unwrap())).await.unwrap();
        let (policy, audit) = (Arc::clone(&self.policy), Arc::clone(&self.audit));
        let executor = Executor::new(Arc::new(population), persons, policy, audit, clock());
        Doors { governor, executor: Arc::new(executor) }
    }

    /// What of this world's temporary files is open in this process.
    fn temporary_files(&self) -> Vec<Vec<u8>> {
        let folder = self.folder.path().join("spill");
        let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
            let descriptor = entry.unwrap().path();
            let target = fs::read_link(&descriptor).ok()?;
            target.starts_with(&folder).then(|| fs::read(descriptor).ok()).flatten()
        });
        open.collect()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let exported = self.audit.export(0, 1_000).await.unwrap();
        exported.iter().map(|entry| entry.entry().unwrap()).collect()
    }

    /// The newest entry, once there are so many.
    async fn entry(&self, count: usize) -> Entry {
        loop {
            let mut entries = self.entries().await;
            if entries.len() >= count {
                assert_eq!(entries.len(), count);
                return entries.pop().unwrap();
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Doors {
    pub(crate) async fn govern(&self, sql: &str) -> Result<Governed<LogicalPlan>, QueryError> {
        let purpose = "legal_claims".parse().unwrap();
        self.governor.govern(sql, &principal("officer"), &purpose).await
    }

    async fn run(&self, sql: &str) -> Result<RowStream, QueryError> {
        self.executor.run(self.govern(sql).await?).await
    }

    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        self.run(sql).await?.try_collect().await
    }

    /// Waits until nothing is held any more.
    async fn until_free(&self) {
        while self.governor.resources.taken() != (0, 0) {
            tokio::task::yield_now().await;
        }
    }
}

impl World {
    /// Waits until no temporary file is open: the engine's tasks close theirs when they notice that
    /// nobody reads on, which may be a moment after their memory was given back.
    async fn until_no_file_is_open(&self) {
        let closed = async {
            while !self.temporary_files().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), closed).await.unwrap();
    }
}

/// Somebody of this role.
pub(crate) fn principal(role: &str) -> Principal {
    Principal::new(role.parse().unwrap(), vec![role.to_owned()])
}

fn spec() -> TableSpec {
    let columns = vec![
        ColumnSpec::value("canary_text", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("n", DataType::Int64, KeyClass::Fact),
        ColumnSpec::value("g", DataType::Int64, KeyClass::Fact),
    ];
    TableSpec::new("landing.people".parse().unwrap(), columns).unwrap()
}

fn column(name: &str) -> DatasetColumn {
    let category = Some("user.behavior".parse().unwrap());
    DatasetColumn { name: name.to_owned(), category, kind: None, class: KeyClass::Fact }
}

/// Rows whose texts are all different, long, and in no order.
fn people(numbers: std::ops::Range<i64>) -> RecordBatch {
    let mixed = |n: i64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
    let text = |n: i64| format!("{:016x}-{CANARY}-{n:0>60}", mixed(n));
    let columns: [ArrayRef; 4] = [
        Arc::new(Int64Array::from_iter_values(numbers.clone().map(|n| n % 1_000 + 1))),
        Arc::new(StringArray::from_iter_values(numbers.clone().map(text))),
        Arc::new(Int64Array::from_iter_values(numbers.clone())),
        Arc::new(Int64Array::from_iter_values(numbers.map(|n| n % 100))),
    ];
    RecordBatch::try_new(Arc::clone(spec().schema()), columns.into()).unwrap()
}

/// All rows as text, in an order of their own.
pub(crate) fn sorted(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            let cells: Vec<_> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            cells.join(",")
        }));
    }
    rows.sort_unstable();
    rows
}

/// What must not be in a temporary file: values, names of columns, and the mark of Arrow's files.
fn in_clear(bytes: &[u8]) -> bool {
    [CANARY.as_bytes(), b"ARROW1", b"canary_text"]
        .iter()
        .any(|plain| bytes.windows(plain.len()).any(|window| window == *plain))
}

fn unsealed_ipc() -> Vec<u8> {
    let batch = people(0..10);
    let mut writer =
        arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_in_memory_is_spilled_sealed_and_changes_no_row() {
    let partitions = std::thread::available_parallelism().unwrap().get();
    let rows = i64::try_from(partitions).unwrap() * 300_000;
    let world = World::with_rows(rows).await;
    // What the search is for, it finds where nothing is sealed.
    let mut plain = tempfile::tempfile_in(world.folder.path().join("spill")).unwrap();
    std::io::Write::write_all(&mut plain, &unsealed_ipc()).unwrap();
    assert!(world.temporary_files().iter().any(|file| in_clear(file)));
    drop(plain);

    let (ample, little) =
        (world.doors(world.limits()).await, world.doors(world.little_memory()).await);
    for sql in LARGE {
        let expected = sorted(&ample.rows(sql).await.unwrap());
        let (mut batches, mut spilled) = (Vec::new(), 0);
        let mut stream = little.run(sql).await.unwrap();
        while let Some(batch) = stream.next().await {
            batches.push(batch.unwrap_or_else(|error| panic!("{sql}: {error}")));
            if batches.len() % 16 == 1 {
                let files = world.temporary_files();
                assert!(!files.iter().any(|file| in_clear(file)), "{sql}");
                spilled = spilled.max(files.iter().map(Vec::len).sum());
                // Files without a name: a program that is killed leaves none.
                let names = fs::read_dir(world.folder.path().join("spill")).unwrap();
                assert_eq!(names.count(), 0);
            }
        }
        assert!(spilled > 1_000_000, "{sql} did not spill");
        assert!(sorted(&batches) == expected, "{sql} has other rows");
        little.until_free().await;
        world.until_no_file_is_open().await;
    }
}

/// The engine passes rows between partitions by files, too, and waits for ever where two of them are
/// open; such statements need memory that they cannot have.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_short_of_memory_between_partitions_never_waits_for_itself() {
    let partitions = std::thread::available_parallelism().unwrap().get();
    let world = World::with_rows(i64::try_from(partitions).unwrap() * 100_000).await;
    for mib in [3, 5, 8] {
        let statement_memory_bytes = mib * MIB * partitions as u64;
        let doors = world.doors(Limits { statement_memory_bytes, ..world.limits() }).await;
        for sql in [
            "select g, count(distinct canary_text) as n from people group by g",
            "select canary_text, count(*) as n from people group by canary_text",
            "select distinct canary_text, n from people",
        ] {
            let ended = doors.rows(sql).await;
            assert!(matches!(ended, Ok(_) | Err(QueryError::TooLarge)), "{sql}: {ended:?}");
            doors.until_free().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_beyond_its_temporary_space_fails_cleanly_and_frees_everything() {
    let partitions = std::thread::available_parallelism().unwrap().get();
    let world = World::with_rows(i64::try_from(partitions).unwrap() * 300_000).await;
    for (limits, kind) in [
        (Limits { statement_spill_bytes: MIB, ..world.little_memory() }, ErrorKind::TooLarge),
        (Limits { spill_bytes: MIB, ..world.little_memory() }, ErrorKind::Throttled),
    ] {
        let before = world.entries().await.len();
        let doors = world.doors(limits).await;
        let error = doors.rows(LARGE[0]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("temporary space") && error.hint().is_some());
        doors.until_free().await;
        world.until_no_file_is_open().await;
        let entry = world.entry(before + 2).await;
        assert_eq!((entry.outcome, entry.tie), (Outcome::Failed, Some(before as u64)));
        assert_eq!(entry.detail["error"], error.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_beyond_memory_that_cannot_spill_says_so() {
    let world = World::with_rows(50_000).await;
    let sql = "select array_agg(canary_text) as texts from people";
    let doors = world.doors(Limits { statement_memory_bytes: MIB, ..world.limits() }).await;
    assert!(matches!(doors.rows(sql).await, Err(QueryError::TooLarge)));
    let doors = world.doors(Limits { memory_bytes: MIB, ..world.limits() }).await;
    assert!(matches!(doors.rows(sql).await, Err(QueryError::Busy)));
    doors.until_free().await;
}

/// A store of entries that keeps whoever appends waiting, and then may fail.
#[derive(Debug, Default)]
struct Slow {
    inner: MemoryAuditStore,
    asked: tokio::sync::Notify,
    go_on: tokio::sync::Notify,
    fails: bool,
}

#[async_trait]
impl AuditStore for Slow {
    async fn append(&self, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        self.asked.notify_one();
        self.go_on.notified().await;
        match self.fails {
            true => Err(StoreError::Conflict { operation: "appending" }),
            false => self.inner.append(leaves).await,
        }
    }

    async fn read(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.inner.read(from, limit).await
    }

    async fn len(&self) -> Result<u64, StoreError> {
        self.inner.len().await
    }

    async fn put_head(&self, head: &SignedHead) -> Result<(), StoreError> {
        self.inner.put_head(head).await
    }

    async fn heads(&self) -> Result<Vec<SignedHead>, StoreError> {
        self.inner.heads().await
    }
}

/// Both of an answer at once and of one with many batches.
const SMALL_AND_LARGE: [&str; 2] = ["select max(n) as n from people", "select n from people"];

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_given_out_before_the_intent_is_recorded() {
    for (sql, fails) in SMALL_AND_LARGE.into_iter().flat_map(|sql| [(sql, false), (sql, true)]) {
        let mut world = World::with_rows(100_000).await;
        let store = Arc::new(Slow { fails, ..Slow::default() });
        let (key, clock) = (world.keys.signing_key(), Arc::<FakeClock>::clone(&world.clock));
        world.audit = Arc::new(AuditLog::new(Arc::<Slow>::clone(&store), key, clock));
        let doors = world.doors(world.limits()).await;
        let mut answer = std::pin::pin!(doors.rows(sql));
        let wait = tokio::time::sleep(Duration::from_millis(300));
        tokio::select! {
            answered = &mut answer => panic!("{sql}: {answered:?}"),
            () = wait => {}
        }
        store.asked.notified().await;
        store.go_on.notify_one();
        if fails {
            assert!(matches!(answer.await, Err(QueryError::Audit(_))), "{sql}");
            doors.until_free().await;
            continue;
        }
        tokio::select! {
            // Not complete before the outcome is recorded, either.
            answered = &mut answer => panic!("{sql}: {answered:?}"),
            () = store.asked.notified() => store.go_on.notify_one(),
        }
        assert!(!answer.await.unwrap().is_empty());
        assert_eq!(world.entries().await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_in_the_middle_frees_everything_and_is_in_the_audit_log() {
    let partitions = std::thread::available_parallelism().unwrap().get();
    let world = World::with_rows(i64::try_from(partitions).unwrap() * 300_000).await;
    let doors = world.doors(world.little_memory()).await;
    let mut stream = doors.run(LARGE[0]).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert!(!world.temporary_files().is_empty());
    drop(stream);
    let entry = world.entry(2).await;
    assert_eq!((entry.outcome, entry.tie), (Outcome::Failed, Some(0)));
    let rows: usize = entry.detail["rows"].parse().unwrap();
    assert!(rows >= first.num_rows(), "{rows}");
    assert!(entry.detail["error"].contains("the caller left"));
    doors.until_free().await;
    world.until_no_file_is_open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_before_the_first_row_is_in_the_audit_log_too() {
    let world = World::with_rows(10).await;
    let doors = world.doors_over(Everybody { answers: false }, world.limits()).await;
    let mut run = Box::pin(doors.run("select n from people"));
    while world.entries().await.is_empty() {
        assert!(futures::poll!(&mut run).is_pending());
    }
    drop(run);
    let entry = world.entry(2).await;
    assert_eq!((entry.outcome, entry.tie), (Outcome::Failed, Some(0)));
    assert!(entry.detail["error"].contains("the caller left"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_fetched_ends_when_its_time_is_over() {
    let world = World::with_rows(100_000).await;
    let limits = Limits { statement_time: Duration::from_secs(2), ..world.limits() };
    let doors = world.doors(limits).await;
    let mut stream = doors.run("select canary_text from people").await.unwrap();
    // Nobody fetches a row, and yet the statement ends and is recorded.
    assert_eq!(world.entry(2).await.outcome, Outcome::Failed);
    doors.until_free().await;
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, QueryError::Timeout), "{error}");
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_the_first_row_counts_towards_the_time_of_a_statement() {
    let world = World::with_rows(10).await;
    let limits = Limits { statement_time: Duration::from_millis(50), ..world.limits() };
    let doors = world.doors_over(Everybody { answers: false }, limits).await;
    assert!(matches!(doors.run("select n from people").await, Err(QueryError::Timeout)));
    assert_eq!(world.entry(2).await.outcome, Outcome::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_beyond_its_rows_or_bytes_breaks_off() {
    let world = World::with_rows(20_000).await;
    let sql = "select canary_text from people";
    let doors = world.doors(Limits { answer_rows: 20_000, ..world.limits() }).await;
    assert_eq!(sorted(&doors.rows(sql).await.unwrap()).len(), 20_000);
    let doors = world.doors(Limits { answer_rows: 19_999, ..world.limits() }).await;
    let error = doors.rows(sql).await.unwrap_err();
    assert!(matches!(error, QueryError::TooManyRows { limit: 19_999 }), "{error}");
    let doors = world.doors(Limits { answer_bytes: 10_000, ..world.limits() }).await;
    let error = doors.rows(sql).await.unwrap_err();
    assert!(matches!(error, QueryError::TooManyBytes { limit: 10_000 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let entry = world.entry(6).await;
    assert_eq!((entry.outcome, entry.tie), (Outcome::Failed, Some(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_closed_ends_what_runs_and_starts_nothing() {
    let world = World::with_rows(100_000).await;
    let doors = world.doors(world.limits()).await;
    let mut stream = doors.run("select canary_text from people").await.unwrap();
    doors.executor.close().await;
    let entries = world.entries().await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].outcome, Outcome::Failed);
    let mut last = None;
    while let Some(batch) = stream.next().await {
        last = Some(batch);
    }
    assert!(matches!(last, Some(Err(QueryError::Stopped))));
    assert!(matches!(doors.run("select 1").await, Err(QueryError::Stopped)));
    assert_eq!(world.entries().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heavy_statement_leaves_light_ones_their_turn() {
    let partitions = std::thread::available_parallelism().unwrap().get();
    let world = World::with_rows(i64::try_from(partitions).unwrap() * 300_000).await;
    let limits = Limits { principal_statements: 1, ..world.little_memory() };
    let doors = world.doors(limits).await;
    let mut heavy = doors.run(LARGE[0]).await.unwrap();
    assert!(heavy.next().await.unwrap().is_ok());
    // The same principal's next one waits, another principal's does not.
    let sql = "select count(*) from people";
    let mut next = Box::pin(doors.rows(sql));
    assert!(futures::poll!(&mut next).is_pending());
    let purpose = "functional.service.improve".parse().unwrap();
    let light = doors.governor.govern(sql, &principal("analyst"), &purpose).await.unwrap();
    let light: Vec<_> = doors.executor.run(light).await.unwrap().try_collect().await.unwrap();
    assert_eq!(sorted(&light).len(), 1);
    assert!(futures::poll!(&mut next).is_pending(), "the heavy one is not over");
    drop(heavy);
    assert_eq!(sorted(&next.await.unwrap()).len(), 1);
    doors.until_free().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_our_own_runtime_runs_a_plan() {
    let world = World::with_rows(10).await;
    let doors = world.doors(world.limits()).await;
    for sql in [
        "set datafusion.runtime.temp_directory = '/tmp'",
        "set datafusion.runtime.memory_limit = '1G'",
        "reset datafusion.runtime.temp_directory",
    ] {
        assert!(matches!(doors.govern(sql).await, Err(QueryError::NotSelect { .. })), "{sql}");
    }
    let mut governed = doors.govern("select sum(n) as n from people").await.unwrap();
    governed.planned.state = SessionStateBuilder::new_from_existing(governed.planned.state)
        .with_runtime_env(Arc::new(RuntimeEnv::default()))
        .build();
    let refused = doors.executor.run(governed).await;
    assert!(matches!(refused, Err(QueryError::Internal)));
    let batches = doors.rows("select sum(n) as n from people").await.unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 45);
}
