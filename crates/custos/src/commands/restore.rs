//! `custos restore`: a control store out of a backup, with the erasures that came after it.

use std::path::Path;

use custos_audit::Action;
use custos_erasure::Replayed;
use custos_store::{OpenError, Store, restore};

use super::record::Deed;
use crate::cli::RestoreArgs;
use crate::config::{Config, Control};
use crate::failure::Failure;
use crate::installation::{Installation, STORE_FILE};
use crate::{kms, output};

pub(super) async fn run(mut config: Config, args: &RestoreArgs) -> Result<(), Failure> {
    if let (Some(file), Some(into)) = (&args.file, &args.into) {
        unseal(&config, file, into).await?;
        config.control = Control::Folder(into.clone());
    }
    let control = config.control.clone();
    let installation = Installation::open_restored(config).await?;
    installation.store.integrity().await?;
    let replayed = replay(&installation).await?;
    installation.store.accept_restored().await?;
    if args.json {
        return output::json(&replayed);
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

/// Unseals the backup. A restored copy that is there already, and is not in use, was cut off on
/// its way and is gone on with.
async fn unseal(config: &Config, file: &Path, into: &Path) -> Result<(), Failure> {
    let path = into.join(STORE_FILE);
    if let Err(OpenError::NotReplayed) = Store::open(&path).await {
        output::note("going on with what was restored before");
        return Ok(());
    }
    let bar = output::progress("opening the backup", 0);
    restore(&*kms::open(&config.keys)?, file, &path).await?;
    bar.finish_and_clear();
    Ok(())
}

async fn replay(installation: &Installation) -> Result<Replayed, Failure> {
    let deed = Deed { action: Action::Maintenance, object: "control store restored" };
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
