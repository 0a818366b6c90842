use arrow::array::{Array, BinaryArray, Int64Array, StringArray};
use arrow::datatypes::DataType;
use custos_core::KeyClass;
use custos_policy::MaintenanceJob;
use proptest::prelude::*;

use super::*;
use crate::rewrite::{self, Selection};
use crate::tests::World;
use crate::{ColumnSpec, TableSpec};

const SMALL: Layout =
    Layout { file_rows: 40, group_rows: 8, slice_rows: 25, run_rows: 1_000_000, files_min: 2 };

/// A row: subject, key, version, text.
type Row = (i64, u8, i64, String);

fn spec(versions: bool) -> TableSpec {
    let mut columns =
        vec![ColumnSpec::technical(TableSpec::KEY, DataType::Binary, ColumnRole::Key)];
    if versions {
        columns.push(ColumnSpec::technical(
            TableSpec::VERSION,
            DataType::Int64,
            ColumnRole::Version,
        ));
    } else {
        columns.push(ColumnSpec::value("number", DataType::Int64, KeyClass::Fact));
    }
    columns.push(ColumnSpec::value("text", DataType::Utf8, KeyClass::Content));
    columns.push(ColumnSpec::value("nothing", DataType::Decimal128(12, 2), KeyClass::Fact));
    TableSpec::new("landing.orders".parse().unwrap(), columns).unwrap()
}

fn batch(spec: &TableSpec, rows: &[Row]) -> RecordBatch {
    let keys: Vec<[u8; 16]> = rows.iter().map(|row| [row.1; 16]).collect();
    RecordBatch::try_new(
        Arc::clone(spec.schema()),
        vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
            Arc::new(BinaryArray::from_iter_values(keys)),
            Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.3))),
            arrow::array::new_null_array(&DataType::Decimal128(12, 2), rows.len()),
        ],
    )
    .unwrap()
}

async fn load(table: &Table, rows: &[Row]) {
    let mut writer = table.writer();
    writer.write(&batch(table.spec(), rows)).await.unwrap();
    let written = writer.finish().await.unwrap();
    let id = BatchId::from_random(random_bytes().unwrap());
    table.commit(id, written, Vec::new()).await.unwrap();
}

/// All rows, file by file.
async fn rows(table: &Table, grant: &MaintenanceGrant) -> Vec<Vec<Row>> {
    let mut found = Vec::new();
    let access = Access::Maintenance(grant);
    for file in table.open(&table.snapshot().await.unwrap().files, access).await.unwrap() {
        let mut rows = Vec::new();
        for row_group in 0..file.row_groups().len() {
            let range = RowRange::group(row_group);
            let batches = file.read(access, &[0, 1, 2, 3, 4], range, 100).unwrap();
            for batch in batches.try_collect::<Vec<_>>().await.unwrap() {
                assert_eq!(batch.column(4).null_count(), batch.num_rows());
                for row in 0..batch.num_rows() {
                    rows.push((
                        batch.column(0).as_primitive::<Int64Type>().value(row),
                        batch.column(1).as_binary::<i32>().value(row)[0],
                        batch.column(2).as_primitive::<Int64Type>().value(row),
                        batch.column(3).as_string::<i32>().value(row).to_owned(),
                    ));
                }
            }
        }
        found.push(rows);
    }
    found
}

async fn compact(table: &Table, grant: &MaintenanceGrant) -> Compacted {
    let sorted = table.sort(grant, SMALL).await.unwrap().unwrap();
    table.replace(sorted).await.unwrap().unwrap().0
}

/// The rows that no newer one supersedes; of equal ones the first.
fn newest(loads: &[Vec<Row>]) -> Vec<Row> {
    let mut newest: HashMap<u8, Row> = HashMap::new();
    for row in loads.iter().flatten() {
        let best = newest.entry(row.1).or_insert_with(|| row.clone());
        if row.2 > best.2 {
            *best = row.clone();
        }
    }
    newest.into_values().collect()
}

fn loads() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let row = (0..30_i64, any::<u8>(), 0..5_i64, "[a-z]{0,9}").prop_map(|mut row| {
        // A record stays its person's.
        row.0 = i64::from(row.1) % 30;
        row
    });
    proptest::collection::vec(proptest::collection::vec(row, 1..60), 2..6)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn compaction_and_erasure_keep_every_other_row_that_can_be_seen(
        loads in loads(),
        versions: bool,
        erased in proptest::collection::btree_set(0..30_u32, 0..4),
    ) {
        run(async {
            let world = World::new().await;
            let table = world.lake().table(Arc::new(spec(versions))).await.unwrap();
            let mut expected: Vec<Row> = Vec::new();
            for (at, rows) in loads.iter().enumerate() {
                load(&table, rows).await;
                // Loads are told apart by time.
                world.clock.advance(std::time::Duration::from_secs(at as u64 + 1));
                expected.extend(rows.clone());
            }
            if versions {
                expected = newest(&loads);
            }
            let grant = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
            let before = table.snapshot().await.unwrap().files;
            prop_assert!(table.wants_compaction(SMALL).await.unwrap());
            let done = compact(&table, &grant).await;
            prop_assert_eq!(done.files_before, loads.len() as u64);
            prop_assert_eq!(done.rows, expected.len() as u64);

            let mut last = -1;
            let mut found = Vec::new();
            let mut files = rows(&table, &grant).await;
            files.sort_by_key(|rows| rows.first().map(|row| row.0));
            for rows in files {
                prop_assert!(rows.len() <= SMALL.file_rows);
                for row in rows {
                    prop_assert!(row.0 >= last, "sorted within and between files");
                    last = row.0;
                    found.push(row);
                }
            }
            found.sort();
            expected.sort();
            prop_assert_eq!(&found, &expected);

            let gone: Vec<FileId> = before.iter().map(|entry| entry.file).collect();
            let left = world.keys.file_secrets(&gone, &KeyClass::ALL).await.unwrap();
            prop_assert!(left.is_empty(), "what was replaced does not open any more");
            // There is nothing to do twice.
            prop_assert!(!table.wants_compaction(SMALL).await.unwrap());
            prop_assert!(table.sort(&grant, SMALL).await.unwrap().is_none());

            // Row groups without the erased are carried over, the others written anew.
            let subjects = erased.into_iter().filter(|subject| *subject > 0).collect();
            let grant = world.policy.maintenance(MaintenanceJob::Erasure, table.name());
            let prepared =
                rewrite::prepare(&table, Selection::Subjects(&subjects), &grant).await.unwrap();
            let id = BatchId::from_random(random_bytes().unwrap());
            table.commit(id, prepared.written.clone(), prepared.replaced).await.unwrap();
            let mut left: Vec<Row> =
                rows(&table, &grant).await.into_iter().flatten().collect();
            left.sort();
            expected.retain(|row| !subjects.contains(row.0 as u32));
            prop_assert_eq!(left, expected);
            let proof =
                rewrite::verify(&table, Selection::Subjects(&subjects), &prepared.written, &grant);
            prop_assert_eq!(proof.await.unwrap().hits(), 0);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn an_erasure_that_comes_first_wins_over_a_compaction() {
    let world = World::new().await;
    let table = world.lake().table(Arc::new(spec(false))).await.unwrap();
    let row = |subject: i64| (subject, subject as u8, 0, "text".to_owned());
    load(&table, &[row(1), row(2)]).await;
    load(&table, &[row(2), row(3)]).await;
    let compaction = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
    let erasure = world.policy.maintenance(MaintenanceJob::Erasure, table.name());
    // What a compaction read before the erasure and would write after it.
    let sorted = table.sort(&compaction, SMALL).await.unwrap().unwrap();
    let written: Vec<FileId> = sorted.written.iter().map(|entry| entry.file).collect();
    let subjects = [2_u32].into_iter().collect();
    let prepared =
        rewrite::prepare(&table, Selection::Subjects(&subjects), &erasure).await.unwrap();
    let id = || BatchId::from_random(random_bytes().unwrap());
    let erased = table.commit(id(), prepared.written, prepared.replaced).await.unwrap();
    assert!(matches!(erased, CommitOutcome::Committed(_)));
    assert!(table.replace(sorted).await.unwrap().is_none());
    let kept = world.keys.file_secrets(&written, &KeyClass::ALL).await.unwrap();
    assert!(kept.is_empty(), "what came too late does not open");
    let mut left: Vec<i64> =
        rows(&table, &compaction).await.into_iter().flatten().map(|row| row.0).collect();
    left.sort_unstable();
    assert_eq!(left, [1, 3]);
}

#[tokio::test]
async fn a_compaction_that_divides_its_rows_leaves_nothing_of_the_parts() {
    let world = World::new().await;
    let table = world.lake().table(Arc::new(spec(false))).await.unwrap();
    let rows_of = |from: i64| -> Vec<Row> {
        (from..from + 100).map(|n| (n % 30, n as u8, 0, "text".to_owned())).collect()
    };
    load(&table, &rows_of(0)).await;
    load(&table, &rows_of(100)).await;
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
    let before = world.keys.owners().await.unwrap().len();
    let sorted = table.sort(&grant, SMALL).await.unwrap().unwrap();
    // More rows than are held at a time, so that they were divided.
    assert!(sorted.written.iter().map(|entry| entry.rows).sum::<u64>() > SMALL.slice_rows as u64);
    assert_eq!(world.keys.owners().await.unwrap().len(), before + sorted.written.len());
    let live = table.snapshot().await.unwrap().files;
    let named = live.iter().chain(&sorted.written).map(|entry| entry.file).collect();
    assert_eq!(table.delete_unlisted(&named).await.unwrap(), 0);
}

#[tokio::test]
async fn a_compaction_whose_files_were_taken_for_leftovers_is_undone() {
    let world = World::new().await;
    let table = world.lake().table(Arc::new(spec(false))).await.unwrap();
    let row = |subject: i64| (subject, subject as u8, 0, "text".to_owned());
    load(&table, &[row(1), row(2)]).await;
    load(&table, &[row(2), row(3)]).await;
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
    let sorted = table.sort(&grant, SMALL).await.unwrap().unwrap();
    let written: Vec<FileId> = sorted.written.iter().map(|entry| entry.file).collect();
    world.keys.destroy(&written, DestructionCause::Abandoned, &*world.clock).await.unwrap();
    let error = table.replace(sorted).await.unwrap_err();
    assert!(matches!(error, LakeError::Shredded { .. }), "{error:?}");
    let mut left: Vec<i64> =
        rows(&table, &grant).await.into_iter().flatten().map(|row| row.0).collect();
    left.sort_unstable();
    assert_eq!(left, [1, 2, 2, 3]);
}

#[tokio::test]
async fn an_erasure_keeps_sorted_files_sorted() {
    let world = World::new().await;
    let table = world.lake().table(Arc::new(spec(false))).await.unwrap();
    for load_of in 0..3 {
        let rows: Vec<Row> =
            (0..50).rev().map(|n| (n % 25 + 1, n as u8, load_of, n.to_string())).collect();
        load(&table, &rows).await;
    }
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
    compact(&table, &grant).await;
    let erasure = world.policy.maintenance(MaintenanceJob::Erasure, table.name());
    let subjects = [3_u32, 17].into_iter().collect();
    let prepared =
        rewrite::prepare(&table, Selection::Subjects(&subjects), &erasure).await.unwrap();
    assert_eq!(prepared.rows_dropped, 12);
    assert_eq!(prepared.written.len(), prepared.replaced.len());
    assert!(prepared.written.iter().all(|entry| entry.level == SORTED));
    let id = BatchId::from_random(random_bytes().unwrap());
    table.commit(id, prepared.written, prepared.replaced).await.unwrap();
    for file in rows(&table, &grant).await {
        assert!(file.is_sorted_by_key(|row| row.0));
        assert!(file.iter().all(|row| row.0 != 3 && row.0 != 17));
    }
    assert_eq!(table.snapshot().await.unwrap().rows(), 150 - 12);
}

#[tokio::test]
async fn a_query_that_has_files_open_reads_on_while_they_are_replaced() {
    let world = World::new().await;
    let table = world.lake().table(Arc::new(spec(false))).await.unwrap();
    for subject in 1..=3 {
        load(&table, &[(subject, 1, 0, "text".to_owned())]).await;
    }
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, table.name());
    let access = Access::Maintenance(&grant);
    let (_, open) = table.open_current(access).await.unwrap();
    compact(&table, &grant).await;
    let mut read = 0;
    for file in open {
        let range = RowRange::group(0);
        let batches = file.read(access, &[0, 3], range, 100).unwrap();
        let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
        read += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert_eq!(read, 3);
}
