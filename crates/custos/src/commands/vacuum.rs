//! `custos vacuum`: bytes that nothing needs any more.

use std::time::Duration;

use custos_audit::Action;
use custos_erasure::{ErasureService, Quiet, Unneeded, UnneededAt};
use custos_ingest::Ledger;
use serde_json::json;

use super::record::Deed;
use crate::cli::VacuumArgs;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &VacuumArgs) -> Result<(), Failure> {
    let progress = output::progress("looking for bytes that nothing needs", 0);
    // No job writes files that no log names yet while this is held.
    let alone = installation.store.lease_maintenance().await?;
    let erasure = installation.erasure()?;
    let kept = Duration::from_secs(args.keep.unsigned_abs());
    if args.dry_run {
        let quiet = erasure.hold_sources_unfinished(&*alone).await?;
        let found = erasure.find_unneeded(&quiet, kept).await?;
        progress.finish_and_clear();
        return print(args, found.secrets(), &found.places());
    }
    let quiet = erasure.hold_sources(&*alone, &super::actor()?).await?;
    let found = erasure.find_unneeded(&quiet, kept).await?;
    progress.set_message("deleting bytes that nothing needs");
    delete(installation, &erasure, &quiet, &found).await?;
    progress.finish_and_clear();
    print(args, found.secrets(), &found.places())
}

/// The same in the background: nothing is printed, and nothing is recorded if nothing is found.
pub(super) async fn sweep(
    installation: &Installation,
    actor: &str,
    kept: Duration,
) -> Result<(), Failure> {
    let alone = installation.store.lease_maintenance().await?;
    let erasure = installation.erasure()?;
    let quiet = erasure.hold_sources(&*alone, actor).await?;
    let found = erasure.find_unneeded(&quiet, kept).await?;
    if found.places().is_empty() && found.secrets() == 0 {
        return Ok(());
    }
    delete(installation, &erasure, &quiet, &found).await
}

/// Deletes what was found, on record before and after.
async fn delete(
    installation: &Installation,
    erasure: &ErasureService,
    quiet: &Quiet<'_>,
    found: &Unneeded<'_>,
) -> Result<(), Failure> {
    let deed = Deed { action: Action::Maintenance, object: "bytes that nothing needs" };
    let sum = |part: fn(&UnneededAt) -> u64| found.places().iter().map(part).sum::<u64>();
    let detail = vec![
        ("job", "vacuum".to_owned()),
        ("secrets", found.secrets().to_string()),
        ("files", sum(|place| place.files).to_string()),
        ("bytes", sum(|place| place.bytes).to_string()),
        ("log_entries", sum(|place| place.log_entries).to_string()),
    ];
    let intent = deed.intent(installation, &detail).await?;
    let deleted = erasure.delete_unneeded(quiet, found).await.map_err(Failure::from);
    deed.outcome(installation, intent, deleted, |()| detail).await
}

fn print(args: &VacuumArgs, secrets: u64, places: &[UnneededAt]) -> Result<(), Failure> {
    if args.json {
        return output::json(&json!({
            "dry_run": args.dry_run,
            "secrets": secrets,
            "files": places.iter().map(|place| place.files).sum::<u64>(),
            "bytes": places.iter().map(|place| place.bytes).sum::<u64>(),
            "log_entries": places.iter().map(|place| place.log_entries).sum::<u64>(),
            "log_bytes": places.iter().map(|place| place.log_bytes).sum::<u64>(),
            "places": places,
        }));
    }
    if places.is_empty() && secrets == 0 {
        output::note("nothing to do: all bytes are needed, or too young");
        return Ok(());
    }
    let mut shown = output::table(["place", "files", "MB", "log entries"]);
    for place in places {
        let megabytes = (place.bytes + place.log_bytes).div_ceil(1_000_000);
        shown.add_row([
            place.place.clone(),
            place.files.to_string(),
            megabytes.to_string(),
            place.log_entries.to_string(),
        ]);
    }
    output::line(shown.to_string())?;
    if secrets > 0 {
        let verb = if args.dry_run { "would be" } else { "were" };
        output::note(format!(
            "the secrets of {secrets} file(s) that a crash left {verb} destroyed"
        ));
    }
    if args.dry_run {
        output::note("nothing was deleted");
    }
    Ok(())
}
