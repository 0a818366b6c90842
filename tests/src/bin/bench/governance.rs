//! What governing costs: everybody but some visible, on loaded and on sorted files.
//!
//! The baselines are the same engine on files of the same rows in the same order, asked the same
//! over all rows: on files that are sealed as those of the lake are, and on plain ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use custos_consent::ConsentBook;
use custos_core::StoreError;
use custos_lake::{Access, Layout, Table};
use custos_policy::MaintenanceJob;
use custos_query::{Epochs, Population};
use roaring::RoaringBitmap;

use crate::events::{self, SUBJECTS};
use crate::plain::Plain;
use crate::queries::{self, QUERIES};
use crate::report::{RUNS, Report, is_wanted, median, timed};
use crate::storage::{collect, load, rows, somebody};
use crate::world::World;

/// Shares of people who are denied, in thousandths.
const DENIED: [u64; 4] = [0, 1, 500, 990];

/// Everybody but some.
#[derive(Debug)]
struct AllBut(RoaringBitmap);

impl AllBut {
    /// A share of all subjects, spread evenly and in no order.
    fn thousandths(share: u64) -> Self {
        let is_denied = |rid: &u32| u64::from(rid.wrapping_mul(0x9E37_79B1) >> 8) % 1_000 < share;
        Self((1..=SUBJECTS as u32).filter(is_denied).collect())
    }
}

#[async_trait]
impl Population for AllBut {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        Ok(Epochs::default())
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        Ok(ConsentBook::default())
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        Ok(self.0.clone())
    }
}

pub(crate) async fn run(report: &Report) -> Result<()> {
    let rows = rows()?;
    let world = World::new().await?;
    let table = world.lake.table(Arc::new(events::spec("landing.events")?)).await?;
    load(&table, rows).await?;
    compare(report, "loaded_", &world, &table).await?;
    let grant = world.grant(MaintenanceJob::Compaction, &table);
    if let Some(sorted) = table.sort(&grant, Layout::default()).await?
        && let Some((_, replaced)) = table.replace(sorted).await?
    {
        table.delete_bytes(&replaced).await?;
    }
    compare(report, "", &world, &table).await
}

/// Asks everything for each share of denied people.
async fn compare(report: &Report, layout: &str, world: &World, table: &Table) -> Result<()> {
    let baselines = [
        ("", Plain::sealed(world.path(&format!("sealed_{layout}")))?),
        ("plain_", Plain::new(world.path(&format!("plain_{layout}")))?),
    ];
    let grant = world.grant(MaintenanceJob::Verification, table);
    let mut contexts = Vec::new();
    for (_, baseline) in &baselines {
        baseline.mirror(table, Access::Maintenance(&grant)).await?;
        contexts.push(baseline.engine().await?);
    }
    let mut ratios = [Vec::new(), Vec::new()];
    for share in DENIED {
        let population = Arc::new(AllBut::thousandths(share));
        let engine = world.engine_for(&world.lake, table.spec(), population).await?;
        let (subject, person) = somebody(&engine, &contexts[1]).await?;
        for (name, query) in
            QUERIES.into_iter().filter(|(name, _)| is_wanted("CUSTOS_BENCH_QUERIES", name))
        {
            let governed = queries::text(query, "person_id", person);
            let clear = queries::text(query, "subject_id", subject);
            let (mut ours, mut theirs) = (Vec::new(), [Vec::new(), Vec::new()]);
            for run in 0..=RUNS {
                let our_time = timed(engine.ask(&governed)).await?.0;
                for (context, theirs) in contexts.iter().zip(&mut theirs) {
                    let their_time = timed(collect(context, &clear)).await?.0;
                    if run > 0 {
                        theirs.push(their_time);
                    }
                }
                if run > 0 {
                    ours.push(our_time);
                }
            }
            let ours = median(&mut ours);
            let share = share as f64 / 10.0;
            for (at, (baseline, _)) in baselines.iter().enumerate() {
                let theirs = median(&mut theirs[at]);
                ratios[at].push(ours.as_secs_f64() / theirs.as_secs_f64());
                let name = format!("governed_{baseline}{layout}{name}_{share}");
                report.beside(&name, ours, theirs)?;
            }
        }
    }
    for ((baseline, files), ratios) in baselines.iter().zip(&mut ratios) {
        ratios.sort_unstable_by(f64::total_cmp);
        let figures = BTreeMap::from([
            ("median_ratio", ratios.get(ratios.len() / 2).copied().unwrap_or_default()),
            ("worst_ratio", ratios.last().copied().unwrap_or_default()),
        ]);
        report.line(&format!("governed_{baseline}{layout}all"), &figures)?;
        std::fs::remove_dir_all(&files.folder)?;
    }
    Ok(())
}
