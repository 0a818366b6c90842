//! `custos doctor`: does every invariant hold, and what did a crash leave behind?

use std::collections::BTreeMap;

use custos_core::ErrorKind;
use custos_erasure::{Finding, RequestStore, State};
use custos_ingest::Ledger;
use custos_query::Population;
use serde_json::json;

use crate::cli::JsonArg;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

/// A snapshot is old after so many pauses between snapshots, but not before this.
const LATE_PAUSES: i64 = 10;
const LATE_SECONDS_MIN: i64 = 60;

pub(super) async fn run(installation: &Installation, args: &JsonArg) -> Result<(), Failure> {
    installation.store.integrity().await?;
    check_snapshots(installation, args.json).await?;
    // No job writes files that no log names yet while this is held.
    let alone = installation.store.lease_maintenance().await?;
    let erasure = installation.erasure()?;
    // While this lives nobody writes, so what no log names is left over.
    let quiet = erasure.hold_sources(&*alone, &super::actor()?).await?;
    let known = installation.store.epochs().await?;
    let epochs = BTreeMap::from([
        ("consent", known.consent),
        ("suppression", known.suppression),
        ("ages", known.ages),
    ]);
    let findings = erasure.examine(&quiet, &epochs, &super::actor()?).await?;
    let finished = quiet.finished;
    drop(quiet);
    let open = open_requests(installation).await?;
    if args.json {
        findings.iter().try_for_each(|finding| output::json(&as_json(finding)))?;
    } else {
        print(&findings)?;
    }
    if finished > 0 {
        output::note(format!("finished {finished} load(s) that were cut off"));
    }
    open.iter().for_each(output::note);
    match findings.iter().map(|finding| finding.problems.len()).sum::<usize>() {
        0 => Ok(()),
        count => {
            let found =
                format!("{count} problem(s) found; nothing that looks left over was cleared");
            let hint = "restore lake and control store together from a backup of one moment";
            Err(Failure::new(ErrorKind::Integrity, found).with_hint(hint))
        }
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

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "invariant": finding.invariant.to_string(),
        "statement": finding.invariant.statement(),
        "checked": finding.checked,
        "repaired": finding.repaired,
        "problems": finding.problems,
    })
}

fn print(findings: &[Finding]) -> Result<(), Failure> {
    let mut table = output::table(["invariant", "holds that", "checked", "cleared", "problems"]);
    for finding in findings {
        table.add_row([
            finding.invariant.to_string(),
            finding.invariant.statement().to_owned(),
            finding.checked.to_string(),
            finding.repaired.to_string(),
            finding.problems.len().to_string(),
        ]);
    }
    output::line(table.to_string())?;
    findings.iter().flat_map(|finding| &finding.problems).try_for_each(output::line)
}
