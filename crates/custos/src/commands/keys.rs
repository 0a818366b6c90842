//! `custos keys`: epochs and what they wrap.

use custos_keys::SecretStore;
use serde_json::json;

use crate::cli::KeysCommand;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, command: &KeysCommand) -> Result<(), Failure> {
    let KeysCommand::Status(args) = command;
    let counts = SecretStore::counts(&installation.store).await?;
    let destruction = installation.kms.destruction();
    let key = installation.keys.signing_key();
    if args.json {
        let epochs: Vec<_> = counts
            .iter()
            .map(|(epoch, secrets)| json!({"epoch": epoch, "secrets": secrets}))
            .collect();
        return output::json(&json!({
            "epochs": epochs,
            "newest_epoch": installation.keys.epoch(),
            "destruction": destruction,
            "public_key": key.public().to_string(),
            "key_id": key.key_id(),
        }));
    }
    let mut table = output::table(["epoch", "live secrets"]);
    for (epoch, secrets) in counts {
        table.add_row([epoch.to_string(), secrets.to_string()]);
    }
    output::line(table.to_string())?;
    output::line(format!("destroying an epoch: {}", destruction.assurance))?;
    output::line(format!("public key of certificates and audit heads: {}", key.public()))
}
