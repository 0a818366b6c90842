//! `custos keys`: epochs, what they wrap, and exchanging them.

use std::collections::BTreeSet;

use custos_audit::Action;
use custos_core::{EpochId, Timestamp};
use custos_keys::SecretStore;
use custos_store::{Rotated, RotationStep};
use serde::Serialize;
use serde_json::json;

use super::record::Deed;
use crate::cli::KeysCommand;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::{kms, output};

pub(super) async fn run(installation: &Installation, command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Status(args) => status(installation, args.json).await,
        KeysCommand::Rotate(args) => rotate(installation, args.json).await,
    }
}

/// What is known of an epoch.
#[derive(Debug, Serialize)]
struct EpochStatus {
    epoch: EpochId,
    state: &'static str,
    secrets: u64,
    created_at: Option<Timestamp>,
    age_days: Option<i64>,
    destroyed_at: Option<Timestamp>,
}

async fn status(installation: &Installation, json: bool) -> Result<(), Failure> {
    let epochs = epochs(installation).await?;
    let destruction = installation.kms.destruction();
    let provider = kms::provider(&installation.config.keys);
    let key = installation.keys.signing_key();
    if json {
        return output::json(&json!({
            "provider": provider,
            "epochs": epochs,
            "newest_epoch": installation.keys.epoch(),
            "destruction": destruction,
            "public_key": key.public().to_string(),
            "key_id": key.key_id(),
        }));
    }
    let mut table = output::table(["epoch", "state", "live secrets", "made", "age", "destroyed"]);
    for epoch in epochs {
        let moment = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
        table.add_row([
            epoch.epoch.to_string(),
            epoch.state.to_owned(),
            epoch.secrets.to_string(),
            moment(epoch.created_at),
            epoch.age_days.map_or_else(String::new, |days| format!("{days} d")),
            moment(epoch.destroyed_at),
        ]);
    }
    output::line(table.to_string())?;
    output::line(format!("keys are in: {provider}"))?;
    output::line(format!("destroying an epoch: {}", destruction.assurance))?;
    output::line(format!("public key of certificates and audit heads: {}", key.public()))
}

async fn epochs(installation: &Installation) -> Result<Vec<EpochStatus>, Failure> {
    let live = installation.kms.epochs().await?;
    let counts = installation.store.counts().await?;
    let records = installation.store.epoch_records().await?;
    let mut all: BTreeSet<EpochId> = live.iter().copied().collect();
    all.extend(counts.iter().map(|(epoch, _)| *epoch));
    all.extend(records.iter().map(|record| record.epoch));
    let now = installation.clock.now();
    let status = |epoch: EpochId| {
        let record = records.iter().find(|record| record.epoch == epoch);
        let created_at = record.map(|record| record.created_at);
        let destroyed_at = record.and_then(|record| record.destroyed_at);
        let state = match (live.contains(&epoch), destroyed_at) {
            (true, None) => "live",
            (true, Some(_)) => "being destroyed",
            (false, Some(_)) => "destroyed",
            (false, None) => "missing",
        };
        let until = destroyed_at.unwrap_or(now);
        EpochStatus {
            epoch,
            state,
            secrets: counts
                .iter()
                .find(|(other, _)| *other == epoch)
                .map_or(0, |(_, count)| *count),
            created_at,
            age_days: created_at.map(|at| (until.micros() - at.micros()) / 86_400_000_000),
            destroyed_at,
        }
    };
    Ok(all.into_iter().map(status).collect())
}

async fn rotate(installation: &Installation, json: bool) -> Result<(), Failure> {
    let deed = Deed { action: Action::KeysDestroyed, object: "epochs" };
    let present = list(&installation.kms.epochs().await?);
    let intent = deed.intent(installation, &[("epochs", present)]).await?;
    let bar = output::progress("wrapping secrets anew", 1);
    let progress = |step| match step {
        RotationStep::Rewrapping(done, of) => {
            bar.set_length(of);
            bar.set_position(done);
        }
        RotationStep::Waiting => bar.set_message("waiting for loads to end"),
        RotationStep::BackingUp => bar.set_message("making a backup"),
        RotationStep::Verifying => bar.set_message("restoring the backup to look at it"),
        RotationStep::Destroying => bar.set_message("destroying the old epoch"),
    };
    let (kms, clock) = (&*installation.kms, &*installation.clock);
    let rotated = installation.store.rotate(&installation.keys, kms, clock, &progress).await;
    bar.finish_and_clear();
    let detail = |rotated: &Rotated| {
        vec![
            ("epoch", rotated.epoch.to_string()),
            ("secrets", rotated.secrets.to_string()),
            ("destroyed", list(&rotated.destroyed)),
        ]
    };
    let rotated = rotated.map_err(Failure::from);
    let rotated = deed.outcome(installation, intent, rotated, detail).await?;
    if json {
        return output::json(&rotated);
    }
    print(&rotated)
}

fn print(rotated: &Rotated) -> Result<(), Failure> {
    output::line(format!(
        "epoch {}: {} secrets wrapped anew, {} opened from the verified backup {}",
        rotated.epoch,
        rotated.rewrapped,
        rotated.secrets,
        rotated.backup.display()
    ))?;
    output::line(format!(
        "destroyed: epoch {}; every older backup and copy of the control store is useless now",
        list(&rotated.destroyed)
    ))
}

fn list(epochs: &[EpochId]) -> String {
    epochs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
