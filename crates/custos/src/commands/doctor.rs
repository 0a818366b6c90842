//! `custos doctor`: does every invariant hold, and what did a crash leave behind?

use std::sync::Arc;

use custos_core::{ErrorKind, Invariant};
use custos_erasure::{RequestStore, State};
use custos_ingest::Ledger;
use custos_lake::{Access, Table, vault};
use custos_policy::MaintenanceJob;
use custos_query::Population;
use roaring::RoaringBitmap;
use serde::Serialize;
use serde_json::json;

use crate::cli::JsonArg;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

/// A snapshot is old after so many pauses between snapshots, but not before this.
const LATE_PAUSES: i64 = 10;
const LATE_SECONDS_MIN: i64 = 60;

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    invariant: String,
    statement: &'static str,
    checked: u64,
    repaired: u64,
    problems: Vec<String>,
}

impl Finding {
    fn new(invariant: Invariant) -> Self {
        Self {
            invariant: invariant.to_string(),
            statement: invariant.statement(),
            checked: 0,
            repaired: 0,
            problems: Vec::new(),
        }
    }
}

pub(super) async fn run(installation: &Installation, args: &JsonArg) -> Result<(), Failure> {
    installation.store.integrity().await?;
    check_snapshots(installation, args.json).await?;
    // No job writes files that no log names yet while this is held.
    let alone = installation.store.lease_maintenance().await?;
    let erasure = installation.erasure()?;
    // While this lives nobody writes, so what no log names is left over.
    let quiet = erasure.hold_sources(&*alone, &super::actor()?).await?;
    let mut subjects = RoaringBitmap::new();
    let mut findings = vec![check_files(installation, &quiet.tables, &mut subjects).await?];
    findings.push(check_subjects(installation, &subjects).await?);
    findings.push(check_audit(installation).await?);
    let leftovers = erasure.clear_leftovers(&quiet).await?;
    findings.push(Finding {
        checked: leftovers.checked,
        repaired: leftovers.cleared,
        ..Finding::new(Invariant::I9)
    });
    let finished = quiet.finished;
    drop(quiet);
    let open = open_requests(installation).await?;
    if args.json {
        findings.iter().try_for_each(output::json)?;
    } else {
        print(&findings)?;
    }
    if finished > 0 {
        output::note(format!("finished {finished} load(s) that were cut off"));
    }
    open.iter().for_each(output::note);
    match findings.iter().map(|finding| finding.problems.len()).sum::<usize>() {
        0 => Ok(()),
        count => Err(Failure::new(ErrorKind::Integrity, format!("{count} problem(s) found"))
            .with_hint("restore lake and control store together from a backup of one moment")),
    }
}

/// Says when the last snapshot was taken, and begins anew if one of them is gone from the lake.
async fn check_snapshots(installation: &Installation, json: bool) -> Result<(), Failure> {
    let Some(snapshots) = &installation.snapshots else { return Ok(()) };
    let status = snapshots.status().await?;
    if json {
        output::json(&json!({"snapshot_at": status.at, "snapshot_missing": status.missing}))?;
    } else {
        let at = status.at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        output::line(format!("last snapshot of the control store: {at}"))?;
    }
    let late = i64::try_from(installation.config.snapshot_pause.as_secs()).unwrap_or(i64::MAX);
    let late = late.saturating_mul(LATE_PAUSES).max(LATE_SECONDS_MIN);
    let now = installation.clock.now();
    if status.changed && status.at.is_none_or(|at| at.plus_seconds(late) < now) {
        output::note("the lake's snapshot of the control store was old: nobody kept it up to date");
    }
    if status.missing > 0 {
        output::note(format!(
            "{} object(s) of the lake's snapshots were missing: a new full one is made",
            status.missing
        ));
        snapshots.begin_anew().await?;
    }
    Ok(())
}

/// Opens every live file and compares its bytes with the log's digest.
async fn check_files(
    installation: &Installation,
    tables: &[Table],
    subjects: &mut RoaringBitmap,
) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I1);
    for table in tables {
        let grant = installation.policy.maintenance(MaintenanceJob::Doctor, table.name());
        let snapshot = table.snapshot().await?;
        for entry in &snapshot.files {
            finding.checked += 1;
            if let Err(error) = table.check_bytes(entry).await {
                finding.problems.push(error.to_string());
                continue;
            }
            match table.open(std::slice::from_ref(entry), Access::Maintenance(&grant)).await {
                Ok(files) => files.iter().for_each(|file| *subjects |= file.subjects()),
                Err(error) => finding.problems.push(error.to_string()),
            }
        }
    }
    Ok(finding)
}

/// Every subject that a table names is in the vault or erased.
async fn check_subjects(
    installation: &Installation,
    subjects: &RoaringBitmap,
) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I11);
    let table = installation.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
    let grant = installation.policy.maintenance(MaintenanceJob::Doctor, table.name());
    let index = vault::read_index(&table, Access::Maintenance(&grant)).await?;
    let mut known: RoaringBitmap = index.iter().map(|row| row.rid.get()).collect();
    known |= Population::tombstones(&installation.store).await?;
    let unknown = subjects - &known;
    finding.checked = subjects.len();
    if !unknown.is_empty() {
        finding.problems.push(format!("{} subject(s) are in no vault row", unknown.len()));
    }
    Ok(finding)
}

async fn check_audit(installation: &Installation) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I7);
    match installation.audit.verify().await {
        Ok(verified) => finding.checked = verified.size,
        Err(error) => finding.problems.push(error.to_string()),
    }
    Ok(finding)
}

/// Requests that wait for somebody.
async fn open_requests(installation: &Installation) -> Result<Vec<String>, Failure> {
    let requests = RequestStore::list(&installation.store).await?;
    Ok(requests
        .iter()
        .filter(|request| request.state != State::Certified)
        .map(|request| match request.state {
            State::Suppressed => format!(
                "request {0} waits for verification: `custos request verify {0} --by NAME --wait L2`",
                request.id
            ),
            _ => format!(
                "request {0} is not finished: `custos request show {0} --wait L2` goes on with it",
                request.id
            ),
        })
        .collect())
}

fn print(findings: &[Finding]) -> Result<(), Failure> {
    let mut table = output::table(["invariant", "holds that", "checked", "cleared", "problems"]);
    for finding in findings {
        table.add_row([
            finding.invariant.clone(),
            finding.statement.to_owned(),
            finding.checked.to_string(),
            finding.repaired.to_string(),
            finding.problems.len().to_string(),
        ]);
    }
    output::line(table.to_string())?;
    findings.iter().flat_map(|finding| &finding.problems).try_for_each(output::line)
}
