//! `custos backup`: a copy of the control store in one sealed file.

use std::path::Path;

use custos_audit::Action;
use custos_keys::BackupHeader;
use serde_json::json;

use super::record::Deed;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(
    installation: &Installation,
    file: &Path,
    json: bool,
) -> Result<(), Failure> {
    let bar = output::progress("sealing a copy of the control store", 0);
    let made_at = installation.clock.now();
    let deed = Deed { action: Action::Maintenance, object: "copy of the control store" };
    let intent = deed.intent(installation, &[]).await?;
    let header = installation.store.back_up(&installation.keys, made_at, file).await;
    bar.finish_and_clear();
    let detail = |header: &BackupHeader| vec![("epoch", header.epoch.to_string())];
    let header = header.map_err(Failure::from);
    let header = deed.outcome(installation, intent, header, detail).await?;
    if json {
        return output::json(&json!({
            "file": file,
            "made_at": header.made_at,
            "epoch": header.epoch,
            "bytes": header.bytes,
            "sha256": header.sha256,
        }));
    }
    output::line(format!(
        "wrote {}: {:.1} MB under epoch {}; the next `custos keys rotate` makes it useless",
        file.display(),
        header.bytes as f64 / 1e6,
        header.epoch
    ))
}
