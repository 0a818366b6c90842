//! Ten million events: written, read, asked, sorted, erased and planned, beside others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use custos_keys::DestructionCause;
use custos_lake::rewrite::{self, Selection};
use custos_lake::{Access, Layout, Table};
use custos_policy::MaintenanceJob;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::events::{self, BATCH_ROWS, SUBJECTS};
use crate::others::Others;
use crate::plain::{self, Plain};
use crate::queries::{self, QUERIES};
use crate::report::{RUNS, Report, forget_peak, median, peak_bytes, timed};
use crate::rotation;
use crate::world::{Engine, World, commit};

/// Rows of a loaded file.
const FILE_ROWS: u64 = 1_000_000;

/// Rows of a row group of a loaded file.
const GROUP_ROWS: usize = 131_072;

/// Rows in all, unless `CUSTOS_BENCH_ROWS` says otherwise.
pub(crate) fn rows() -> Result<u64> {
    match std::env::var("CUSTOS_BENCH_ROWS") {
        Ok(text) => text.parse().context("CUSTOS_BENCH_ROWS is no number"),
        Err(_) => Ok(10_000_000),
    }
}

pub(crate) async fn run(report: &Report) -> Result<()> {
    let rows = rows()?;
    let world = World::new().await?;
    let table = world.lake.table(Arc::new(events::spec("landing.events")?)).await?;
    let loaded = Plain::new(world.path("loaded"))?;
    let mut others = Others::start()?;

    report.note("writing the events as they come, sealed and plain")?;
    write(report, &table, &loaded, rows).await?;
    scan(report, "encrypted_scan_loaded", &world, &table, &loaded).await?;
    ask(report, "loaded", &world, &table, &loaded, &mut others).await?;
    std::fs::remove_dir_all(&loaded.folder)?;

    report.note("sorting them by subject")?;
    sort(report, &world, &table, rows).await?;
    let sorted = Plain::new(world.path("sorted"))?;
    let grant = world.grant(MaintenanceJob::Compaction, &table);
    sorted.mirror(&table, Access::Maintenance(&grant)).await?;
    scan(report, "encrypted_scan", &world, &table, &sorted).await?;
    ask(report, "sorted", &world, &table, &sorted, &mut others).await?;

    report.note("erasing people")?;
    erase(report, &world, &table, &sorted, &mut others).await?;
    std::fs::remove_dir_all(&sorted.folder)?;

    report.note("planning over a thousand files")?;
    plan(report, &world).await?;
    report.note("wrapping a hundred thousand secrets under a new key")?;
    rotation::run(report).await
}

/// Only what erasing costs, of what [`run`] measures.
pub(crate) async fn run_erasure(report: &Report) -> Result<()> {
    let rows = rows()?;
    let world = World::new().await?;
    let table = world.lake.table(Arc::new(events::spec("landing.events")?)).await?;
    load(&table, rows).await?;
    sort(report, &world, &table, rows).await?;
    let sorted = Plain::new(world.path("sorted"))?;
    let grant = world.grant(MaintenanceJob::Compaction, &table);
    sorted.mirror(&table, Access::Maintenance(&grant)).await?;
    erase(report, &world, &table, &sorted, &mut Others::start()?).await
}

/// Writes all rows as they come.
pub(crate) async fn load(table: &Table, rows: u64) -> Result<()> {
    for from in (0..rows).step_by(FILE_ROWS as usize) {
        let mut writer = table.writer();
        for batch in batches(table, from..rows.min(from + FILE_ROWS), rows)? {
            writer.write(&batch).await?;
        }
        commit(table, writer.finish().await?).await?;
    }
    Ok(())
}

/// Writes each file twice, sealed and plain, one after the other.
async fn write(report: &Report, table: &Table, plain: &Plain, rows: u64) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (name, from) in (0..rows).step_by(FILE_ROWS as usize).enumerate() {
        let batches = batches(table, from..rows.min(from + FILE_ROWS), rows)?;
        let sealed = async {
            let mut writer = table.writer();
            for batch in &batches {
                writer.write(batch).await?;
            }
            commit(table, writer.finish().await?).await
        };
        // Who is first changes, since what comes first finds other caches.
        if name % 2 == 0 {
            ours.push(timed(sealed).await?.0);
            theirs.push(write_plain(plain, name, &batches)?);
        } else {
            theirs.push(write_plain(plain, name, &batches)?);
            ours.push(timed(sealed).await?.0);
        }
    }
    report.beside("encrypted_write", median(&mut ours), median(&mut theirs))
}

fn write_plain(plain: &Plain, name: usize, batches: &[RecordBatch]) -> Result<Duration> {
    let began = Instant::now();
    plain.write(name, batches, GROUP_ROWS)?;
    Ok(began.elapsed())
}

/// The batches of one file.
pub(crate) fn batches(
    table: &Table,
    rows: std::ops::Range<u64>,
    of: u64,
) -> Result<Vec<RecordBatch>> {
    let starts = rows.clone().step_by(BATCH_ROWS as usize);
    starts.map(|at| events::batch(table.spec(), at, BATCH_ROWS.min(rows.end - at), of)).collect()
}

/// Decodes every column of every row, on one thread, sealed and plain.
async fn scan(
    report: &Report,
    name: &str,
    world: &World,
    table: &Table,
    plain: &Plain,
) -> Result<()> {
    let grant = world.grant(MaintenanceJob::Verification, table);
    let access = Access::Maintenance(&grant);
    let (_, files) = table.open_current(access).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let mut rows = 0;
        for file in &files {
            let mut batches = Box::pin(plain::read_sealed(table, file, access)?);
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows();
            }
        }
        ours.push(began.elapsed());
        let began = Instant::now();
        let mut plain_rows = 0;
        for path in plain.files()? {
            plain_rows += plain::count_rows(&path).await?;
        }
        theirs.push(began.elapsed());
        ensure!(rows == plain_rows, "the files differ: {rows} and {plain_rows} rows");
    }
    report.beside(name, median(&mut ours), median(&mut theirs))
}

/// Asks everything of Custos, of the same engine on plain files, and of DuckDB on these.
async fn ask(
    report: &Report,
    layout: &str,
    world: &World,
    table: &Table,
    plain: &Plain,
    others: &mut Others,
) -> Result<()> {
    let engine = world.engine(&world.lake, table.spec()).await?;
    let context = plain.engine().await?;
    let (subject, person) = somebody(&engine, &context).await?;
    forget_peak()?;
    for (name, query) in QUERIES {
        let governed = queries::text(query, "person_id", person);
        let clear = queries::text(query, "subject_id", subject);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..=RUNS {
            let (our_time, our_rows) = timed(engine.ask(&governed)).await?;
            let (their_time, their_rows) = timed(collect(&context, &clear)).await?;
            same(name, &our_rows, &their_rows)?;
            // The first run fills caches.
            if run > 0 {
                ours.push(our_time);
                theirs.push(their_time);
            }
        }
        let mut duckdb = others.query(plain, &clear, RUNS)?;
        let (ours, theirs) = (median(&mut ours).as_secs_f64(), median(&mut theirs).as_secs_f64());
        let duckdb = median(&mut duckdb).as_secs_f64();
        let figures = [
            ("seconds", ours),
            ("plain_seconds", theirs),
            ("duckdb_seconds", duckdb),
            ("ratio", ours / theirs),
            ("duckdb_ratio", ours / duckdb),
        ];
        report.line(&format!("query_{layout}_{name}"), &BTreeMap::from(figures))?;
    }
    report.line(&format!("query_{layout}_memory"), &BTreeMap::from([("peak_bytes", peak_bytes()?)]))
}

/// Answers must not only be fast.
fn same(name: &str, ours: &[RecordBatch], theirs: &[RecordBatch]) -> Result<()> {
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    ensure!(rows(ours) == rows(theirs), "`{name}`: {} and {} rows", rows(ours), rows(theirs));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the baseline is the engine without us")]
pub(crate) async fn collect(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    Ok(context.sql(sql).await?.collect().await?)
}

/// A visible subject with events, and the same person's keyed id.
pub(crate) async fn somebody(engine: &Engine, context: &SessionContext) -> Result<(i64, i64)> {
    let visible = "select min(event_id) from events where event_id < 100000";
    let event = first_integer(engine.ask(visible).await?)?;
    let subject = format!("select subject_id from events where event_id = {event}");
    let person = format!("select person_id from events where event_id = {event}");
    let subject = first_integer(collect(context, &subject).await?)?;
    Ok((subject, first_integer(engine.ask(&person).await?)?))
}

/// The first cell of an answer.
pub(crate) fn first_integer(batches: Vec<RecordBatch>) -> Result<i64> {
    let batch = batches.into_iter().find(|batch| batch.num_rows() > 0).context("no row")?;
    let column = batch.column(0).as_primitive_opt::<Int64Type>().context("no integer")?;
    Ok(column.value(0))
}

async fn sort(report: &Report, world: &World, table: &Table, rows: u64) -> Result<()> {
    forget_peak()?;
    let grant = world.grant(MaintenanceJob::Compaction, table);
    let began = Instant::now();
    let sorted = table.sort(&grant, Layout::default()).await?.context("nothing to sort")?;
    let (compacted, replaced) = table.replace(sorted).await?.context("somebody was faster")?;
    let took = began.elapsed().as_secs_f64();
    table.delete_bytes(&replaced).await?;
    let figures = [
        ("seconds", took),
        ("rows_per_second", rows as f64 / took),
        ("files", compacted.files_after as f64),
        ("bytes", compacted.bytes_after as f64),
        ("bytes_before", compacted.bytes_before as f64),
        ("peak_bytes", peak_bytes()?),
    ];
    report.line("compaction", &BTreeMap::from(figures))
}

/// Erases one, a hundred and ten thousand subjects, beside writing everything anew, DuckDB and
/// delta-rs.
async fn erase(
    report: &Report,
    world: &World,
    table: &Table,
    plain: &Plain,
    others: &mut Others,
) -> Result<()> {
    let group = Layout::default().group_rows;
    let full = rewrite_all(plain, group)?.as_secs_f64();
    for (count, runs) in [(1, RUNS), (100, RUNS), (10_000, RUNS)] {
        let sets: Vec<Vec<u32>> = (0..runs).map(|run| subjects(count, run)).collect();
        let (mut ours, mut files, mut bytes) = (Vec::new(), 0, 0);
        forget_peak()?;
        for set in &sets {
            let (took, (hit, written)) = timed(erase_once(world, table, set)).await?;
            ours.push(took);
            (files, bytes) = (files.max(hit), bytes.max(written));
        }
        let peak = peak_bytes()?;
        let ours = median(&mut ours).as_secs_f64();
        let duckdb = median(&mut others.duckdb_erase(plain, &sets, group)?).as_secs_f64();
        let deltars = median(&mut others.deltars_erase(plain, &sets)?).as_secs_f64();
        let figures = [
            ("seconds", ours),
            ("files", files as f64),
            ("bytes", bytes as f64),
            ("full_rewrite_seconds", full),
            ("duckdb_seconds", duckdb),
            ("deltars_seconds", deltars),
            ("times_as_fast_as_full", full / ours),
            ("times_as_fast_as_duckdb", duckdb / ours),
            ("times_as_fast_as_deltars", deltars / ours),
            ("peak_bytes", peak),
        ];
        report.line(&format!("erasure_{count}"), &BTreeMap::from(figures))?;
    }
    Ok(())
}

/// Subjects spread over all of them, others in each run.
pub(crate) fn subjects(count: usize, run: usize) -> Vec<u32> {
    let step = SUBJECTS / count as u64;
    let first = 1 + (run as u64 * 7_919 + count as u64) % step;
    (0..count as u64).map(|at| (first + at * step) as u32).collect()
}

/// The whole way of an erasure in one table: new files, commit, reading back, secrets, bytes.
/// Returns how many files were replaced, and the bytes that were written.
pub(crate) async fn erase_once(
    world: &World,
    table: &Table,
    subjects: &[u32],
) -> Result<(usize, u64)> {
    let subjects: RoaringBitmap = subjects.iter().collect();
    let selection = Selection::Subjects(&subjects);
    let grant = world.grant(MaintenanceJob::Erasure, table);
    let prepared = rewrite::prepare(table, selection, &grant).await?;
    let id = custos_core::BatchId::from_random(custos_keys::random_bytes()?);
    table.commit(id, prepared.written.clone(), prepared.replaced.clone()).await?;
    let proof = rewrite::verify(table, selection, &prepared.written, &grant).await?;
    ensure!(proof.hits() == 0, "somebody is still there");
    let gone: Vec<_> = prepared.replaced.iter().map(|entry| entry.file).collect();
    table.forget(&gone);
    world.keys.destroy(&gone, DestructionCause::Replaced, &*world.clock).await?;
    table.delete_bytes(&prepared.replaced).await?;
    Ok((gone.len(), prepared.written.iter().map(|entry| entry.bytes).sum()))
}

/// Writes all plain files anew, as many at once as there are cores.
fn rewrite_all(plain: &Plain, group: usize) -> Result<Duration> {
    let files = plain.files()?;
    let threads = std::thread::available_parallelism()?.get();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads)
            .map(|share| {
                let mine: Vec<&Path> =
                    files.iter().skip(share).step_by(threads).map(|path| path.as_path()).collect();
                scope.spawn(move || {
                    for path in mine {
                        let new = path.with_extension("new");
                        plain::rewrite(path, &new, group)?;
                        std::fs::remove_file(new)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for share in shares {
            share.join().ok().context("a thread ended early")??;
        }
        Ok(began.elapsed())
    })
}

/// Opens and plans over a thousand small files, as a process does that just started.
async fn plan(report: &Report, world: &World) -> Result<()> {
    const FILES: u64 = 1_000;
    const ROWS: u64 = 200;
    let spec = Arc::new(events::spec("landing.small")?);
    let table = world.lake.table(Arc::clone(&spec)).await?;
    let plain = Plain::new(world.path("small"))?;
    let mut written = Vec::new();
    for file in 0..FILES {
        let batch = events::batch(&spec, file * ROWS, ROWS, FILES * ROWS)?;
        let mut writer = table.writer();
        writer.write(&batch).await?;
        written.extend(writer.finish().await?);
        plain.write(file as usize, &[batch], GROUP_ROWS)?;
    }
    commit(&table, written).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let sql = "select count(*) from events where event_id < 10";
    for _ in 0..RUNS {
        let lake = world.started_anew().await?;
        let engine = world.engine(&lake, &spec).await?;
        ours.push(timed(engine.ask(sql)).await?.0);
        let cold = async { collect(&plain.engine().await?, sql).await };
        theirs.push(timed(cold).await?.0);
    }
    report.beside("cold_planning_1000_files", median(&mut ours), median(&mut theirs))
}
