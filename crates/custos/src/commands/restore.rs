//! `custos restore`: a control store out of a backup or the lake's snapshots, with the erasures
//! that came after it.

use std::fs::File;
use std::path::Path;

use custos_audit::Action;
use custos_core::Timestamp;
use custos_erasure::{RESTORED, Replayed};
use custos_keys::read_backup_header;
use custos_lake::ControlCopies;
use custos_store::{BackupError, FromLake, Store, list_snapshots, restore, restore_from_lake};

use super::record::Deed;
use crate::cli::RestoreArgs;
use crate::config::{Config, Control};
use crate::failure::Failure;
use crate::installation::{Installation, STORE_FILE, storage};
use crate::{kms, output};

pub(super) async fn run(mut config: Config, args: &RestoreArgs) -> Result<(), Failure> {
    if args.list {
        return list(&config, args.json).await;
    }
    let mut restored = None;
    if let Some(into) = &args.into {
        match &args.file {
            Some(file) => unseal(&config, file, into).await?,
            None => restored = Some(from_lake(&config, args.at, into).await?),
        }
        config.control = Control::Folder(into.clone());
    }
    let control = config.control.clone();
    let installation = Installation::open_restored(config).await?;
    installation.store.integrity().await?;
    let replayed = replay(&installation).await?;
    installation.store.accept_restored().await?;
    if args.json {
        let mut line = serde_json::to_value(replayed)?;
        if let Some(restored) = restored {
            line["snapshot"] = serde_json::to_value(restored)?;
        }
        return output::json(&line);
    }
    output::line(format!(
        "{control}: {} entries of the record of erasures done again: {} secrets destroyed, {} requests \
         in force",
        replayed.entries, replayed.destroyed, replayed.requests
    ))?;
    if args.into.is_some() {
        output::note(format!("set `control = \"{control}\"` to use it"));
    }
    Ok(())
}

/// Restores the newest whole state of the lake's snapshots, and says what was not whole.
async fn from_lake(
    config: &Config,
    at: Option<Timestamp>,
    into: &Path,
) -> Result<FromLake, Failure> {
    let copies = ControlCopies::new(&storage(config)?);
    let bar = output::progress("opening snapshots", 0);
    let kms = kms::open(&config.keys)?;
    let restored = restore_from_lake(&*kms, &copies, at, &into.join(STORE_FILE)).await;
    bar.finish_and_clear();
    let restored = restored?;
    for problem in &restored.problems {
        output::note(format!("an older state was taken: {problem}"));
    }
    output::note(format!(
        "restored the control store as of {}: loads, consents and requests after that are to be \
         repeated",
        restored.made_at
    ));
    Ok(restored)
}

/// Lists the lake's snapshots.
async fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let copies = ControlCopies::new(&storage(config)?);
    let listed = list_snapshots(&*kms::open(&config.keys)?, &copies).await?;
    if json {
        return listed.iter().try_for_each(output::json);
    }
    let mut table = output::table(["from", "until", "epoch", "increments", "bytes", "opens"]);
    for snapshot in listed {
        table.add_row([
            snapshot.from.to_string(),
            snapshot.until.to_string(),
            snapshot.epoch.to_string(),
            snapshot.increments.to_string(),
            snapshot.bytes.to_string(),
            if snapshot.opens { "yes" } else { "no: its epoch was destroyed" }.to_owned(),
        ]);
    }
    output::line(table.to_string())
}

/// Unseals the backup. A copy of it that is there already, and is not in use, was cut off on its
/// way and is gone on with.
async fn unseal(config: &Config, file: &Path, into: &Path) -> Result<(), Failure> {
    let path = into.join(STORE_FILE);
    if let Some(made_at) = Store::restored_from(&path).await? {
        if read_backup_header(&mut File::open(file)?)?.made_at != made_at {
            return Err(BackupError::OtherRestored { path, made_at }.into());
        }
        output::note("going on with what was restored before");
        return Ok(());
    }
    let bar = output::progress("opening the backup", 0);
    restore(&*kms::open(&config.keys)?, file, &path).await?;
    bar.finish_and_clear();
    Ok(())
}

async fn replay(installation: &Installation) -> Result<Replayed, Failure> {
    let deed = Deed { action: Action::Maintenance, object: RESTORED };
    let intent = deed.intent(installation, &[]).await?;
    let bar = output::progress("erasing again", 1);
    let replayed = installation
        .erasure()?
        .replay(&|done, of| {
            bar.set_length(of);
            bar.set_position(done);
        })
        .await;
    bar.finish_and_clear();
    let detail = |replayed: &Replayed| {
        vec![
            ("entries", replayed.entries.to_string()),
            ("destroyed", replayed.destroyed.to_string()),
            ("requests", replayed.requests.to_string()),
        ]
    };
    deed.outcome(installation, intent, replayed.map_err(Failure::from), detail).await
}
