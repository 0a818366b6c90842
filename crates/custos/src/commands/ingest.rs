//! `custos ingest`: files of a source into the lake.

use std::path::Path;

use custos_core::ErrorKind;
use custos_ingest::{LoadCounts, LoadReport};

use crate::cli::IngestArgs;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &IngestArgs) -> Result<(), Failure> {
    let actor = super::actor()?;
    let ingest = installation.ingest()?;
    let file = args.contract.display().to_string();
    let text = std::fs::read_to_string(&args.contract).map_err(|error| {
        Failure::new(ErrorKind::NotFound, format!("contract `{file}` cannot be read: {error}"))
    })?;
    let contract = ingest.register(&file, &text).await?;
    let mut counts = LoadCounts::default();
    let bar = output::progress(contract.id.as_str(), 0);
    let progress = |rows| bar.set_position(rows);
    if args.replay {
        let report = ingest.replay(&contract, &actor, &progress).await?;
        bar.finish_and_clear();
        explain("quarantine", &report);
        counts += report.counts;
    }
    for path in &args.paths {
        let report = ingest.load(&contract, path, &actor, &progress).await?;
        explain(&name_of(path), &report);
        counts += report.counts;
    }
    bar.finish_and_clear();
    if args.json {
        return output::json(&counts);
    }
    print(&counts)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "file".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Says why rows were refused, without what they hold.
fn explain(file: &str, report: &LoadReport) {
    for reason in &report.refused {
        let column = match &reason.column {
            Some(column) => format!(" in column `{column}`"),
            None => String::new(),
        };
        output::note(format!(
            "{file}: {} row(s) quarantined: {}{column}, first in row {}: {}",
            reason.rows, reason.fault, reason.first_row, reason.remedy
        ));
    }
    if !report.refused.is_empty() {
        output::note("fix the contract and run with --replay, or deliver corrected rows");
    }
}

fn print(counts: &LoadCounts) -> Result<(), Failure> {
    let mut table =
        output::table(["read", "stored", "updated", "duplicate", "quarantined", "barred"]);
    table.add_row([
        counts.read,
        counts.stored,
        counts.updated,
        counts.duplicate,
        counts.quarantined,
        counts.barred,
    ]);
    output::line(table.to_string())
}
