mod faults;
mod vacuum;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use custos_core::{BatchId, Classify, ErrorKind, KeyClass, Timestamp};
use custos_keys::{DestructionCause, KeyService, LocalKeyRing, MemorySecretStore, random_bytes};
use custos_policy::{MaintenanceGrant, MaintenanceJob, PolicyFiles, PolicySet};
use custos_testkit::{FakeClock, workspace_root};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use roaring::RoaringBitmap;
use tempfile::TempDir;

use super::*;
use crate::rewrite::Selection;

const CANARY: &str = "canary-7f3a@example.test";

/// A lake in a temporary folder, with real keys.
pub(crate) struct World {
    folder: TempDir,
    secrets: Arc<MemorySecretStore>,
    pub(crate) keys: Arc<KeyService>,
    pub(crate) clock: Arc<FakeClock>,
    heads: Arc<MemoryHeads>,
    pub(crate) policy: PolicySet,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None).unwrap();
        let secrets = Arc::new(MemorySecretStore::default());
        let store = Arc::<MemorySecretStore>::clone(&secrets);
        let keys = KeyService::initialise(Arc::new(ring), store).await.unwrap();
        let files = PolicyFiles::from_dir(&workspace_root().join("policies")).unwrap();
        Self {
            folder,
            secrets,
            keys: Arc::new(keys),
            clock: Arc::new(FakeClock::at(Timestamp::from_micros(0))),
            heads: Arc::default(),
            policy: PolicySet::load(&files).unwrap(),
        }
    }

    pub(crate) fn lake(&self) -> Lake {
        let storage = Storage::folder(&self.folder.path().join("lake")).unwrap();
        let heads = Arc::<MemoryHeads>::clone(&self.heads);
        Lake::new(storage, Arc::clone(&self.keys), heads, Arc::<FakeClock>::clone(&self.clock))
    }

    async fn table(&self) -> Table {
        self.lake().table(Arc::new(spec())).await.unwrap()
    }

    fn grant(&self, job: MaintenanceJob) -> MaintenanceGrant {
        self.policy.maintenance(job, spec().name())
    }

    fn path_of(&self, entry: &FileEntry) -> PathBuf {
        self.folder.path().join("lake/landing/people").join(&entry.path)
    }
}

fn spec() -> TableSpec {
    let columns = vec![
        ColumnSpec::technical("_rid_other", DataType::Int64, ColumnRole::SecondarySubject),
        ColumnSpec::value("email", DataType::Utf8, KeyClass::Identifier),
        ColumnSpec::value("n", DataType::Int64, KeyClass::Fact),
    ];
    TableSpec::new("landing.people".parse().unwrap(), columns).unwrap()
}

/// Rows of subjects, each naming the next as the other.
fn people(subjects: std::ops::Range<i64>) -> RecordBatch {
    let rids: Vec<i64> = subjects.collect();
    let emails: Vec<String> = rids.iter().map(|rid| format!("{rid}-{CANARY}")).collect();
    RecordBatch::try_new(
        Arc::clone(spec().schema()),
        vec![
            Arc::new(Int64Array::from(rids.clone())),
            Arc::new(Int64Array::from_iter_values(rids.iter().map(|rid| rid + 1))),
            Arc::new(StringArray::from(emails)),
            Arc::new(Int64Array::from(rids)),
        ],
    )
    .unwrap()
}

fn id() -> BatchId {
    BatchId::from_random(random_bytes().unwrap())
}

async fn write(table: &Table, batch: &RecordBatch) -> Vec<FileEntry> {
    let mut writer = table.writer();
    writer.write(batch).await.unwrap();
    writer.finish().await.unwrap()
}

async fn append(table: &Table, batch: &RecordBatch) -> FileEntry {
    let written = write(table, batch).await;
    let entry = written[0].clone();
    table.commit(id(), written, Vec::new()).await.unwrap();
    entry
}

/// The values of `n`, in order.
async fn numbers(world: &World, table: &Table) -> Result<Vec<i64>, LakeError> {
    let grant = world.grant(MaintenanceJob::Verification);
    let mut found = Vec::new();
    vault::read_all(
        table,
        Access::Maintenance(&grant),
        &["n", "_rid", "_rid_other", "email"],
        |batch| {
            found.extend(batch.column(0).as_primitive::<Int64Type>().values());
            Ok(())
        },
    )
    .await?;
    found.sort_unstable();
    Ok(found)
}

#[tokio::test]
async fn rows_written_are_rows_read_and_nothing_is_in_clear() {
    let world = World::new().await;
    let table = world.table().await;
    let entry = append(&table, &people(1..100)).await;
    assert_eq!(numbers(&world, &table).await.unwrap(), (1..100).collect::<Vec<_>>());
    let bytes = std::fs::read(world.path_of(&entry)).unwrap();
    assert!(bytes.starts_with(b"PARE") && bytes.ends_with(b"PARE"));
    for needle in [&b"canary"[..], b"email", b"custos.subjects", b"_rid"] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
    let log = world.folder.path().join("lake/landing/people/_delta_log");
    for file in std::fs::read_dir(log).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("minValues") && !text.contains("canary"), "{text}");
    }
    // Another process reads the same.
    assert_eq!(numbers(&world, &world.table().await).await.unwrap().len(), 99);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_the_log_names_is_refused() {
    let world = World::new().await;
    let table = world.table().await;
    let first = append(&table, &people(1..50)).await;
    let second = append(&table, &people(1..50)).await;
    let (path, original) = (world.path_of(&first), std::fs::read(world.path_of(&first)).unwrap());
    let other = std::fs::read(world.path_of(&second)).unwrap();
    let flipped = |at: usize| {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cases: [(&str, Vec<u8>); 6] = [
        ("plaintext of equal length", plaintext(original.len())),
        ("another file of the table", resized(other, original.len())),
        ("cut short", original[..original.len() - 100].to_vec()),
        ("a bit of the data flipped", flipped(40)),
        ("a bit of the footer flipped", flipped(original.len() - 30)),
        ("empty", Vec::new()),
    ];
    for (case, bytes) in cases {
        std::fs::write(&path, bytes).unwrap();
        let refused = numbers(&world, &world.table().await).await.expect_err(case);
        assert_eq!(refused.kind(), ErrorKind::Integrity, "{case}: {refused}");
        assert!(!refused.to_string().contains("canary"));
    }
    std::fs::write(&path, original).unwrap();
    assert_eq!(numbers(&world, &world.table().await).await.unwrap().len(), 98);
}

/// A valid Parquet file in clear, padded to a length.
fn plaintext(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let batch = people(1..50);
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    resized(bytes, length)
}

/// Cuts or pads in front, so that the footer stays where readers look for it.
fn resized(bytes: Vec<u8>, length: usize) -> Vec<u8> {
    match bytes.len().checked_sub(length) {
        Some(excess) => bytes[excess..].to_vec(),
        None => [vec![0; length - bytes.len()], bytes].concat(),
    }
}

#[tokio::test]
async fn a_file_moved_to_another_table_does_not_open() {
    let world = World::new().await;
    let entry = append(&world.table().await, &people(1..10)).await;
    let columns = spec().columns()[1..].to_vec();
    let other = TableSpec::new("landing.others".parse().unwrap(), columns).unwrap();
    let others = world.lake().table(Arc::new(other)).await.unwrap();
    let folder = world.folder.path().join("lake/landing/others");
    std::fs::copy(world.path_of(&entry), folder.join(&entry.path)).unwrap();
    others.commit(id(), vec![entry], Vec::new()).await.unwrap();
    let grant = world.policy.maintenance(MaintenanceJob::Verification, others.name());
    let files = others.snapshot().await.unwrap().files;
    let refused = others.open(&files, Access::Maintenance(&grant)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Integrity, "{refused}");
}

#[tokio::test]
async fn destroyed_secrets_close_a_file_for_good() {
    let world = World::new().await;
    let table = world.table().await;
    let entry = append(&table, &people(1..10)).await;
    let cause = DestructionCause::Replaced;
    world.keys.destroy(&[entry.file], cause, &*world.clock).await.unwrap();
    let refused = numbers(&world, &world.table().await).await.unwrap_err();
    assert!(matches!(refused, LakeError::Shredded { .. }), "{refused}");
}

#[tokio::test]
async fn a_commit_happens_once_and_a_stale_plan_does_not_happen() {
    let world = World::new().await;
    let (one, two) = (world.table().await, world.table().await);
    let written = write(&one, &people(1..10)).await;
    let commit = id();
    let first = one.commit(commit, written.clone(), Vec::new()).await.unwrap();
    // The answer got lost, somebody else committed, and the caller tries again.
    append(&two, &people(10..20)).await;
    assert_eq!(two.commit(commit, written.clone(), Vec::new()).await.unwrap(), first);
    assert_eq!(numbers(&world, &one).await.unwrap().len(), 19);
    // Two rewrites of one file: the later plan is stale.
    let replacement = write(&one, &people(1..9)).await;
    let swapped = one.commit(id(), replacement, written.clone()).await.unwrap();
    assert!(matches!(swapped, CommitOutcome::Committed(_)));
    let replacement = write(&two, &people(1..8)).await;
    let stale = two.commit(id(), replacement, written).await.unwrap();
    assert_eq!(stale, CommitOutcome::Conflict);
    assert_eq!(numbers(&world, &two).await.unwrap().len(), 18);
}

#[tokio::test]
async fn many_writers_lose_no_commit() {
    let world = World::new().await;
    let writers = (0..8_i64).map(|writer| {
        let world = &world;
        async move {
            let table = world.table().await;
            append(&table, &people(writer * 100 + 1..writer * 100 + 11)).await
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(numbers(&world, &world.table().await).await.unwrap().len(), 80);
}

#[tokio::test]
async fn a_rewrite_drops_a_subject_s_rows_clears_them_elsewhere_and_keeps_all_else() {
    let world = World::new().await;
    let table = world.table().await;
    let touched = append(&table, &people(1..50)).await;
    let untouched = append(&table, &people(100..150)).await;
    let subjects = RoaringBitmap::from_iter([7_u32]);
    let selection = Selection::Subjects(&subjects);
    let grant = world.grant(MaintenanceJob::Erasure);
    let prepared = rewrite::prepare(&table, selection, &grant).await.unwrap();
    assert_eq!(prepared.replaced, [touched]);
    assert_eq!((prepared.rows_dropped, prepared.cells_cleared), (1, 1));
    let (add, remove) = (prepared.written.clone(), prepared.replaced.clone());
    table.commit(id(), add, remove).await.unwrap();
    let proof = rewrite::verify(&table, selection, &prepared.written, &grant).await.unwrap();
    assert_eq!((proof.hits(), proof.rows_read()), (0, 48));
    let expected: Vec<i64> = (1..50).chain(100..150).filter(|n| *n != 7).collect();
    assert_eq!(numbers(&world, &table).await.unwrap(), expected);
    assert!(table.snapshot().await.unwrap().files.contains(&untouched));
    // Nothing is left to do.
    assert!(rewrite::prepare(&table, selection, &grant).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_column_added_later_is_null_in_older_files() {
    let world = World::new().await;
    append(&world.table().await, &people(1..10)).await;
    let mut columns = spec().columns()[1..].to_vec();
    columns.push(ColumnSpec::value("city", DataType::Utf8, KeyClass::Fact));
    let wider = TableSpec::new(spec().name().clone(), columns).unwrap();
    let table = world.lake().table(Arc::new(wider)).await.unwrap();
    let grant = world.grant(MaintenanceJob::Verification);
    let files = table.snapshot().await.unwrap().files;
    let files = table.open(&files, Access::Maintenance(&grant)).await.unwrap();
    let city = table.spec().position("city").unwrap();
    let range = RowRange::group(0);
    let batches: Vec<_> = files[0]
        .read(Access::Maintenance(&grant), &[city], range, 100)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(batches[0].column(0).null_count(), 9);
}

#[tokio::test]
async fn a_grant_for_another_table_opens_nothing() {
    let world = World::new().await;
    let table = world.table().await;
    append(&table, &people(1..10)).await;
    let grant =
        world.policy.maintenance(MaintenanceJob::Verification, &"landing.x".parse().unwrap());
    let files = table.snapshot().await.unwrap().files;
    let refused = table.open(&files, Access::Maintenance(&grant)).await.unwrap_err();
    assert!(matches!(refused, LakeError::WrongGrant { .. }));
    assert!(Path::new(&files[0].path).is_relative());
}

/// The table's log folder, with a copy of it beside.
fn log_copy(world: &World) -> (PathBuf, PathBuf) {
    let log = world.folder.path().join("lake/landing/people/_delta_log");
    let copy = world.folder.path().join("copy-of-the-log");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&log).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    (log, copy)
}

fn entry_at(log: &Path, version: u64) -> PathBuf {
    log.join(format!("{version:020}.json"))
}

#[track_caller]
fn is_tampered(result: Result<Vec<i64>, LakeError>) {
    match result {
        Err(LakeError::Tampered { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_older_copy_of_the_whole_log_is_refused() {
    let world = World::new().await;
    let table = world.table().await;
    append(&table, &people(1..10)).await;
    let (log, copy) = log_copy(&world);
    append(&table, &people(10..20)).await;
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&copy, &log).unwrap();
    is_tampered(numbers(&world, &world.table().await).await);
}

#[tokio::test]
async fn a_log_entry_that_is_put_back_dropped_or_invented_is_refused() {
    for change in ["put back", "dropped", "invented", "replaced"] {
        let world = World::new().await;
        let table = world.table().await;
        let first = append(&table, &people(1..10)).await;
        append(&table, &people(10..20)).await;
        let (log, _) = log_copy(&world);
        table.commit(id(), Vec::new(), vec![first]).await.unwrap();
        let newest = entry_at(&log, 3);
        let text = std::fs::read_to_string(&newest).unwrap();
        match change {
            // The removed file becomes live again in an entry of its own.
            "put back" => {
                let added = std::fs::read_to_string(entry_at(&log, 1)).unwrap();
                std::fs::write(entry_at(&log, 4), added).unwrap();
            }
            "dropped" => {
                let kept: Vec<_> =
                    text.lines().filter(|line| !line.contains("\"remove\"")).collect();
                std::fs::write(&newest, kept.join("\n")).unwrap();
            }
            "invented" => {
                let kept: Vec<_> =
                    text.lines().filter(|line| !line.contains("commitInfo")).collect();
                std::fs::write(entry_at(&log, 4), kept.join("\n")).unwrap();
            }
            _ => {
                let forged = text.replace("\"previous\":\"", "\"previous\":\"0");
                std::fs::write(&newest, forged).unwrap();
            }
        }
        let table = world.table().await;
        is_tampered(numbers(&world, &table).await);
    }
}

#[tokio::test]
async fn a_commit_that_another_process_made_is_believed_by_its_chain() {
    let world = World::new().await;
    let (here, there) = (world.table().await, world.table().await);
    append(&here, &people(1..3)).await;
    for start in [3, 4, 5] {
        append(&there, &people(start..start + 1)).await;
    }
    // As if the control store had not heard of them yet.
    let old = TableHead { version: 0, ..world.heads.head(spec().name()).await.unwrap().unwrap() };
    world.heads.set(spec().name(), Some(old));
    is_tampered(numbers(&world, &world.table().await).await);
    world.heads.set(spec().name(), None);
    assert_eq!(numbers(&world, &world.table().await).await.unwrap(), [1, 2, 3, 4, 5]);
    append(&here, &people(6..7)).await;
    assert_eq!(numbers(&world, &there).await.unwrap(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_table_with_checkpoints_opens_like_one_without() {
    let world = World::new().await;
    let table = world.table().await;
    for start in 1..=120 {
        append(&table, &people(start..start + 1)).await;
    }
    let log = world.folder.path().join("lake/landing/people/_delta_log");
    let names: Vec<String> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.contains("checkpoint")), "{names:?}");
    let again = world.table().await;
    assert_eq!(numbers(&world, &again).await.unwrap(), (1..=120).collect::<Vec<_>>());
}
