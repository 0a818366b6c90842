//! `custos request`: requests of people about their data.

use custos_core::RequestId;
use custos_erasure::{ErasureService, NewRequest, RequestView};
use custos_policy::Principal;

use crate::cli::{RequestCommand, RequestType, WaitArgs};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(
    installation: &Installation,
    command: RequestCommand,
) -> Result<(), Failure> {
    let by = super::operator()?;
    let erasure = installation.erasure()?;
    match command {
        RequestCommand::Open { kind: RequestType::Erasure, subject, regime, verified_by, wait } => {
            let subject = subject.parse()?;
            let view =
                erasure.open(NewRequest { subject, regime, verified_by, key: None }, &by).await?;
            go_on(installation, &erasure, view.id, &by, &wait).await
        }
        RequestCommand::Verify { id, by: verified_by, wait } => {
            erasure.verify(id, &verified_by, &by).await?;
            go_on(installation, &erasure, id, &by, &wait).await
        }
        RequestCommand::Show { id, wait } => go_on(installation, &erasure, id, &by, &wait).await,
        RequestCommand::List { json } => list(&erasure, &by, json).await,
    }
}

async fn go_on(
    installation: &Installation,
    erasure: &ErasureService,
    id: RequestId,
    by: &Principal,
    wait: &WaitArgs,
) -> Result<(), Failure> {
    let bar = output::progress("erasing", 0);
    let progress = |step: &str| bar.set_message(step.to_owned());
    let view = erasure.advance(id, wait.wait, by, &progress).await?;
    bar.finish_and_clear();
    if let (Some(file), Some(certificate)) = (&wait.certificate, &view.certificate) {
        std::fs::write(file, certificate)?;
        output::note(format!("wrote the certificate to {}", file.display()));
    }
    if view.verified.is_none() {
        output::note(format!(
            "hidden, not erased: verify who asks, then run `custos request verify {id} --by NAME --wait L2`"
        ));
    }
    // Files that are out already: who received them is to be told, and their keys can be revoked.
    let subjects = erasure.subjects_of(id, by).await?;
    let exports = installation.exports().holding(&subjects).await?;
    if wait.json {
        let mut facts = serde_json::to_value(&view)?;
        facts["exports"] = serde_json::to_value(&exports)?;
        return output::json(&facts);
    }
    print(&[view])?;
    if exports.is_empty() {
        return Ok(());
    }
    output::note("exports that may hold them; revoke one with `custos export revoke ID`:");
    super::export::print(&exports, false)
}

async fn list(erasure: &ErasureService, by: &Principal, json: bool) -> Result<(), Failure> {
    let views = erasure.list(by).await?;
    if json {
        return views.iter().try_for_each(output::json);
    }
    print(&views)
}

fn print(views: &[RequestView]) -> Result<(), Failure> {
    let mut table = output::table([
        "request",
        "state",
        "level",
        "regime",
        "received",
        "accounts",
        "tables",
        "rows removed",
    ]);
    for view in views {
        table.add_row([
            view.id.to_string(),
            view.state.to_string(),
            format!("{:?}", view.level),
            view.regime.clone(),
            view.received_at.to_string(),
            view.subjects.to_string(),
            view.tables_rewritten.to_string(),
            view.rows_removed.to_string(),
        ]);
    }
    output::line(table.to_string())
}
