//! What it costs to cover values, to plan under a grant, and until a change of consent has effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use custos_consent::{ConsentEvent, ConsentStatus};
use custos_core::{Purpose, Rid, Timestamp};
use custos_lake::{Access, Layout, Table};
use custos_policy::MaintenanceJob;

use crate::events::{self, SUBJECTS};
use crate::plain::Plain;
use crate::report::{RUNS, Report, median, timed};
use crate::storage::{load, rows};
use crate::world::{Asker, Engine, World};

/// What analysts see of addresses: as they are, masked, or as tokens.
const COVERS: [(&str, &str); 3] =
    [("clear", "user.behavior"), ("masked", "user.contact.email"), ("tokens", "user.unique_id")];

/// Changes of consent whose effect is waited for.
const CHANGES: usize = 200;

/// Events of consent that are added at a time.
const EVENTS: usize = 50_000;

pub(crate) async fn run(report: &Report) -> Result<()> {
    let rows = rows()?;
    let world = World::new().await?;
    let spec = Arc::new(events::spec("landing.events")?);
    let table = world.lake.table(Arc::clone(&spec)).await?;
    load(&table, rows).await?;
    let grant = world.grant(MaintenanceJob::Compaction, &table);
    if let Some(sorted) = table.sort(&grant, Layout::default()).await? {
        table.replace(sorted).await?;
    }
    let grant = world.grant(MaintenanceJob::Verification, &table);
    let plain = Plain::new(world.path("plain"))?;
    plain.mirror(&table, Access::Maintenance(&grant)).await?;
    consent_of_all(&world).await?;
    covers(report, &world, &table, rows).await?;
    planning(report, &world, &table, &plain).await?;
    changes(report, &world, &table).await
}

/// Everybody says yes to analytics.
async fn consent_of_all(world: &World) -> Result<()> {
    let everybody: Vec<u32> = (1..=SUBJECTS as u32).collect();
    for some in everybody.chunks(EVENTS) {
        let events: Vec<ConsentEvent> =
            some.iter().map(|rid| said(*rid, 0, ConsentStatus::Given)).collect::<Result<_>>()?;
        world.store.add_consents(&events).await?;
    }
    Ok(())
}

fn said(rid: u32, at: i64, status: ConsentStatus) -> Result<ConsentEvent> {
    Ok(ConsentEvent {
        rid: Rid::new(rid),
        at: Timestamp::from_micros(at),
        purpose: "analytics".parse::<Purpose>()?,
        status,
        expires_at: None,
        notice: None,
        channel: None,
        authority: true,
    })
}

/// Addresses masked and as tokens, and keyed ids of people, each beside addresses as they are.
async fn covers(report: &Report, world: &World, table: &Table, rows: u64) -> Result<()> {
    let addresses = "select max(email), min(email) from events";
    let people = "select max(person_id), min(person_id) from events";
    let shown = COVERS
        .map(|(name, addresses_as)| (name, Asker::Analyst { addresses: addresses_as }, addresses));
    let mut clear = None;
    for (name, asker, sql) in shown.into_iter().chain([("keyed_ids", Asker::Officer, people)]) {
        let store = Arc::new(world.store.clone());
        let engine = world.engine_of(&world.lake, table.spec(), store, asker).await?;
        engine.ask(sql).await?;
        let mut times = Vec::new();
        for _ in 0..RUNS {
            times.push(timed(engine.ask(sql)).await?.0);
        }
        let time = median(&mut times);
        report.beside(&format!("cover_{name}"), time, *clear.get_or_insert(time))?;
        let millions = rows as f64 / 1e6;
        let figures = [("milliseconds_per_million_rows", time.as_secs_f64() * 1e3 / millions)];
        report.line(&format!("cover_{name}_rows"), &BTreeMap::from(figures))?;
    }
    Ok(())
}

/// A small statement, planned and not run.
async fn planning(report: &Report, world: &World, table: &Table, plain: &Plain) -> Result<()> {
    const SQL: &str =
        "select channel, sum(quantity) from events where country = 'DE' group by channel";
    let store = Arc::new(world.store.clone());
    let asker = Asker::Analyst { addresses: "user.contact.email" };
    let engine = world.engine_of(&world.lake, table.spec(), store, asker).await?;
    let context = plain.engine().await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES {
        ours.push(timed(engine.plan(SQL)).await?.0);
        let planned = async { Ok(context.state().create_logical_plan(SQL).await?) };
        theirs.push(timed(planned).await?.0);
    }
    report.beside("plan_under_a_grant", median(&mut ours), median(&mut theirs))
}

/// One person after the other says no, and is asked for until gone.
async fn changes(report: &Report, world: &World, table: &Table) -> Result<()> {
    let store = Arc::new(world.store.clone());
    let asker = Asker::Analyst { addresses: "user.contact.email" };
    let engine = world.engine_of(&world.lake, table.spec(), store, asker).await?;
    let mut took: Vec<Duration> = Vec::new();
    let mut before = people(&engine).await?;
    for change in 0..CHANGES {
        let rid = 1 + (change as u32 * 4_999) % SUBJECTS as u32;
        let event = said(rid, 1 + change as i64, ConsentStatus::Withdrawn)?;
        let began = Instant::now();
        world.store.add_consents(&[event]).await?;
        let now = people(&engine).await?;
        took.push(began.elapsed());
        ensure!(now < before, "a withdrawal had no effect");
        before = now;
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, Duration::as_secs_f64);
    let figures = [("p50_seconds", at(50)), ("p99_seconds", at(99))];
    report.line("consent_change_to_effect", &BTreeMap::from(figures))
}

async fn people(engine: &Engine) -> Result<i64> {
    let batches = engine.ask("select count(*) from events").await?;
    let counts = batches.iter().filter(|batch| batch.num_rows() > 0);
    Ok(counts.map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0)).sum())
}
