//! `custos certificate verify`: offline, with nothing but the certificate and a public key.

use std::path::Path;

use custos_core::ErrorKind;
use custos_erasure::Statement;
use custos_keys::PublicKey;

use crate::cli::CertificateCommand;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(
    config: Option<&Path>,
    command: &CertificateCommand,
) -> Result<(), Failure> {
    let CertificateCommand::Verify { file, public_key, json } = command;
    let certificate = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(ErrorKind::NotFound, format!("`{}` cannot be read: {error}", file.display()))
    })?;
    let key = match public_key {
        Some(given) => parse_key(given)?,
        None => super::open(config).await?.keys.signing_key().public(),
    };
    let statement = custos_erasure::verify(&certificate, &key)?;
    if *json {
        return output::json(&statement);
    }
    print(&statement)
}

/// A key, or the file that holds it.
fn parse_key(given: &str) -> Result<PublicKey, Failure> {
    let text = std::fs::read_to_string(given).unwrap_or_else(|_| given.to_owned());
    text.trim().parse().map_err(|_| {
        Failure::new(ErrorKind::Invalid, "this is neither a public key nor a file that holds one")
            .with_hint("the issuer prints it with `custos keys status`")
    })
}

/// Prints a statement that was checked.
pub(crate) fn print(statement: &Statement) -> Result<(), Failure> {
    output::line(format!("certificate of erasure {}: holds", statement.request))?;
    output::line(format!(
        "  level {:?} reached {}, {} account(s), under {}, verified by {}",
        statement.level,
        statement.completed_at,
        statement.subjects_erased,
        statement.regime,
        statement.verified.by
    ))?;
    let mut table = output::table([
        "table",
        "version",
        "files replaced",
        "rows removed",
        "rows read back",
        "hits",
    ]);
    for step in &statement.tables {
        table.add_row([
            step.table.to_string(),
            format!("{} -> {}", step.version_before, step.version_after),
            step.files_replaced.len().to_string(),
            step.rows_removed.to_string(),
            step.rows_read_back.to_string(),
            step.hits.to_string(),
        ]);
    }
    output::line(table.to_string())?;
    output::line(format!("  secrets destroyed of {} file(s)", statement.files_destroyed.len()))?;
    for proven in &statement.proven {
        output::line(format!("  proven:   {proven}"))?;
    }
    for attested in &statement.attested {
        output::line(format!("  attested: {attested}"))?;
    }
    Ok(())
}
