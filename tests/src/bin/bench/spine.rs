//! A million orders through the program: load, resolve, ask over HTTP, erase.
//!
//! The baseline is the same engine on plain Parquet (zstd level 1) of the same rows in one file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use custos_testkit::workspace_root;
use datafusion::config::TableParquetOptions;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};

use crate::report::{RUNS, Report, median};
use crate::shop::{Server, Shop, text};

const ROWS: usize = 1_000_000;
const MEMBERS: usize = 100_000;

/// Name, what is asked of Custos, and the same of the plain files.
const QUERIES: [(&str, &str, &str); 4] = [
    ("count", "select count(*) from pos_orders", "select count(*) from plain"),
    (
        "light",
        "select channel, sum(quantity) from pos_orders group by channel",
        "select channel, sum(quantity) from plain group by channel",
    ),
    (
        "group",
        "select store, category, count(*), sum(amount) from pos_orders group by store, category",
        "select store, category, count(*), sum(amount) from plain group by store, category",
    ),
    (
        "persons",
        "select count(distinct person_id) from pos_orders",
        "select count(distinct member_no) from plain",
    ),
];

pub(crate) async fn run(report: &Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("orders.csv");
    write_orders(&csv)?;
    let plain = folder.path().join("plain.parquet");
    let plain_write = Instant::now();
    write_plain(&csv, &plain).await?;
    let plain_write = plain_write.elapsed();

    let shop = Shop::new(&folder.path().join("shop"))?;
    let contract = workspace_root().join("policies/contracts/pos_orders.yaml");
    let began = Instant::now();
    shop.run(&["ingest", "--contract", text(&contract)?, "--json", text(&csv)?])?;
    let ingest = began.elapsed();
    report.line(
        "spine_ingest",
        &BTreeMap::from([
            ("rows_per_second", ROWS as f64 / ingest.as_secs_f64()),
            ("seconds", ingest.as_secs_f64()),
            ("ratio", ingest.as_secs_f64() / plain_write.as_secs_f64()),
        ]),
    )?;
    let began = Instant::now();
    shop.run(&["resolve", "--json"])?;
    report.line("spine_resolve", &BTreeMap::from([("seconds", began.elapsed().as_secs_f64())]))?;
    consent_of_half(&shop, &folder.path().join("consents.csv"))?;
    queries(report, &shop, &plain).await?;

    let began = Instant::now();
    let view = shop.run(&[
        "request",
        "open",
        "--type",
        "erasure",
        "--subject",
        "customer_id@pos:M00017",
        "--regime",
        "gdpr",
        "--verified-by",
        "bench",
        "--wait",
        "L2",
        "--json",
    ])?;
    let rewritten = view["bytes_rewritten"].as_f64().context("bytes")?;
    report.line(
        "spine_erasure_1",
        &BTreeMap::from([
            ("seconds", began.elapsed().as_secs_f64()),
            ("bytes_rewritten", rewritten),
            ("rows_removed", view["rows_removed"].as_f64().context("rows")?),
        ]),
    )
}

async fn queries(report: &Report, shop: &Shop, plain: &Path) -> Result<()> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    context.register_parquet("plain", text(plain)?, ParquetReadOptions::default()).await?;
    let server = Server::start(shop)?;
    for (name, governed, baseline) in QUERIES {
        let mut plain_times = Vec::new();
        let mut all_times = Vec::new();
        let mut half_times = Vec::new();
        for run in 0..=RUNS {
            let began = Instant::now();
            let state = context.state();
            let plan = state.create_logical_plan(baseline).await?;
            let plan = state.create_physical_plan(&plan).await?;
            datafusion::physical_plan::collect(plan, context.task_ctx()).await?;
            let plain_time = began.elapsed();
            let all = server.ask(&shop.officer, "legal_claims", governed)?;
            let half = server.ask(&shop.analyst, "analytics", governed)?;
            // The first run warms caches on both sides.
            if run > 0 {
                plain_times.push(plain_time);
                all_times.push(all);
                half_times.push(half);
            }
        }
        let plain_time = median(&mut plain_times);
        for (denied, times) in [(0, &mut all_times), (50, &mut half_times)] {
            let time = median(times);
            report.line(
                &format!("governed_{name}_{denied}"),
                &BTreeMap::from([
                    ("seconds", time.as_secs_f64()),
                    ("plain_seconds", plain_time.as_secs_f64()),
                    ("ratio", time.as_secs_f64() / plain_time.as_secs_f64()),
                ]),
            )?;
        }
    }
    Ok(())
}

pub(crate) fn write_orders(path: &Path) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(
        out,
        "order_id,member_no,name,phone,referrer_phone,store,channel,category,quantity,amount,currency,note,ordered_at,updated_at"
    )?;
    let mut state: u64 = 42;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for row in 0..ROWS {
        let (member, store) = (random(MEMBERS as u64), random(50));
        let channel = ["store", "web", "app"][random(3) as usize];
        let (category, quantity, cents) = (random(20), random(5) + 1, random(100_000));
        let (month, day, hour) = (random(12) + 1, random(28) + 1, random(24));
        let at = format!("2026-{month:02}-{day:02} {hour:02}:00:00");
        writeln!(
            out,
            "o{row},M{member:05},,,,s{store},{channel},c{category},{quantity},{}.{:02},CNY,,{at},{at}",
            cents / 100,
            cents % 100
        )?;
    }
    out.flush()?;
    Ok(())
}

async fn write_plain(csv: &Path, to: &Path) -> Result<()> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let frame = context.read_csv(text(csv)?, CsvReadOptions::new()).await?;
    let mut options = TableParquetOptions::default();
    options.global.compression = Some("zstd(1)".to_owned());
    let single = DataFrameWriteOptions::new().with_single_file_output(true);
    frame.write_parquet(text(to)?, single, Some(options)).await?;
    Ok(())
}

fn consent_of_half(shop: &Shop, path: &Path) -> Result<()> {
    let mut csv = "identifier_type,identifier,purpose,status,at,notice,channel,scope\n".to_owned();
    for member in (0..MEMBERS).step_by(2) {
        writeln!(csv, "customer_id,M{member:05},analytics,given,2026-01-01T00:00:00Z,v1,web,pos")?;
    }
    std::fs::write(path, csv)?;
    shop.run(&["consent", "import", "--json", text(path)?])?;
    Ok(())
}
