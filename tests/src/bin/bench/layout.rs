//! Sizes of files, of row groups and of what is sorted together, compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use custos_lake::{Access, Layout};
use custos_policy::MaintenanceJob;
use futures::TryStreamExt;

use crate::events;
use crate::plain;
use crate::queries::{self, QUERIES};
use crate::report::{RUNS, Report, median, timed};
use crate::storage::{batches, erase_once, rows, subjects};
use crate::world::{World, commit};

/// Rows of a file, and rows of a row group.
const CUTS: [(usize, usize); 6] = [
    (65_536, 8_192),
    (65_536, 16_384),
    (262_144, 8_192),
    (262_144, 16_384),
    (262_144, 65_536),
    (1_048_576, 16_384),
];

/// Into how many runs, one after the other in time, the rows are divided.
const RUNS_OF_TIME: [u64; 2] = [1, 4];

/// Asked of each layout: a scan of little, one of much, a window of time, and one person.
const ASKED: [&str; 4] = ["light", "like", "week", "person"];

pub(crate) async fn run(report: &Report) -> Result<()> {
    let rows = rows()?;
    for runs in RUNS_OF_TIME {
        for (file_rows, group_rows) in CUTS {
            let run_rows = rows.div_ceil(runs);
            let layout =
                Layout { file_rows, group_rows, run_rows, files_min: 1, ..Layout::default() };
            one(report, rows, layout).await?;
        }
    }
    Ok(())
}

async fn one(report: &Report, rows: u64, layout: Layout) -> Result<()> {
    let world = World::new().await?;
    let spec = Arc::new(events::spec("landing.events")?);
    let table = world.lake.table(Arc::clone(&spec)).await?;
    let grant = world.grant(MaintenanceJob::Compaction, &table);
    for from in (0..rows).step_by(layout.run_rows as usize) {
        let mut writer = table.writer();
        for start in (from..rows.min(from + layout.run_rows)).step_by(1_000_000) {
            let end = (start + 1_000_000).min(rows).min(from + layout.run_rows);
            for batch in batches(&table, start..end, rows)? {
                writer.write(&batch).await?;
            }
        }
        commit(&table, writer.finish().await?).await?;
        let sorted = table.sort(&grant, layout).await?.context("nothing to sort")?;
        let (_, replaced) = table.replace(sorted).await?.context("somebody was faster")?;
        table.delete_bytes(&replaced).await?;
    }
    let snapshot = table.snapshot().await?;
    let mut figures = BTreeMap::from([
        ("files", snapshot.files.len() as f64),
        ("megabytes", snapshot.files.iter().map(|file| file.bytes).sum::<u64>() as f64 / 1e6),
    ]);
    let access = Access::Maintenance(&grant);
    let whole = async {
        let (_, files) = table.open_current(access).await?;
        for file in &files {
            let mut batches = Box::pin(plain::read_sealed(&table, file, access)?);
            while batches.try_next().await?.is_some() {}
        }
        anyhow::Ok(())
    };
    figures.insert("scan_seconds", timed(whole).await?.0.as_secs_f64());
    let engine = world.engine(&world.lake, &spec).await?;
    let person = engine.ask("select person_id from events where event_id = 4711").await?;
    let person = crate::storage::first_integer(person)?;
    for (name, query) in QUERIES.iter().filter(|(name, _)| ASKED.contains(name)) {
        let sql = queries::text(query, "person_id", person);
        let mut times = Vec::new();
        for run in 0..=RUNS {
            let took = timed(engine.ask(&sql)).await?.0;
            if run > 0 {
                times.push(took);
            }
        }
        figures.insert(name, median(&mut times).as_secs_f64());
    }
    let mut times: Vec<Duration> = Vec::new();
    for run in 0..3 {
        times.push(timed(erase_once(&world, &table, &subjects(100, run))).await?.0);
    }
    figures.insert("erase_100", median(&mut times).as_secs_f64());
    let cut = format!(
        "layout_file{}k_group{}k_runs{}",
        layout.file_rows >> 10,
        layout.group_rows >> 10,
        rows.div_ceil(layout.run_rows)
    );
    report.line(&cut, &figures)
}
