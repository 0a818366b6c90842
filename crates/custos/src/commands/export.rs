//! `custos export`: rows that leave, what left, and taking it back.

use custos_core::ErrorKind;
use custos_policy::{Principal, Right};
use custos_query::{Export, ExportFormat, ExportService, NewExport};

use crate::cli::{ExportArgs, ExportCommand, ExportSubcommand, FormatArg};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(
    installation: &Installation,
    command: ExportCommand,
) -> Result<(), Failure> {
    let exports = installation.exports();
    match (command.command, command.new) {
        (Some(ExportSubcommand::List(args)), _) => {
            permitted(installation)?;
            print(&exports.list().await?, args.json)
        }
        (Some(ExportSubcommand::Revoke { id, json }), _) => {
            let revoked = exports.revoke(id, &permitted(installation)?).await?;
            // A control store that is put back from a backup is to know of it too.
            installation.erasure()?.record_destroyed().await?;
            print(&[revoked], json)
        }
        (None, Some(args)) => export(installation, &exports, args).await,
        // The parser demands one or the other.
        (None, None) => Ok(()),
    }
}

/// The operator, who may see and revoke what others exported.
fn permitted(installation: &Installation) -> Result<Principal, Failure> {
    let operator = super::operator()?;
    installation.policy.permits(&operator, Right::Export, None)?;
    Ok(operator)
}

async fn export(
    installation: &Installation,
    exports: &ExportService,
    args: ExportArgs,
) -> Result<(), Failure> {
    let principal = installation.principal(&args.principal).await?;
    let purpose = super::sql::purpose_of(installation, &principal, args.purpose.as_ref())?;
    let new = NewExport {
        sql: args.sql,
        purpose,
        recipient: args.recipient,
        life_seconds: args.expires,
        format: match args.format {
            FormatArg::Parquet => ExportFormat::Parquet,
            FormatArg::ParquetPlain => ExportFormat::ParquetPlain,
            FormatArg::Csv => ExportFormat::Csv,
        },
        path: args.out,
    };
    let engine = installation.engine().await?;
    let doors = (&*engine.governor, &engine.executor);
    let bar = output::progress("exporting", 0);
    let count = |rows| bar.set_position(rows);
    let exported = tokio::select! {
        exported = exports.export(new, &principal, doors, &count) => exported.map_err(Failure::from),
        // What was written of the file goes with the work on it.
        () = super::ended() => Err(Failure::new(ErrorKind::Unavailable, "the export was cut off")
            .with_hint("repeat the command: nothing is at the path")),
    };
    engine.executor.close().await;
    bar.finish_and_clear();
    print(&[exported?], args.json)
}

/// Prints exports as JSON or as a table.
pub(super) fn print(exports: &[Export], json: bool) -> Result<(), Failure> {
    if json {
        return exports.iter().try_for_each(output::json);
    }
    let mut table = output::table([
        "export",
        "state",
        "recipient",
        "purpose",
        "by",
        "format",
        "rows",
        "accounts up to",
        "expires",
    ]);
    for export in exports {
        table.add_row([
            export.id.to_string(),
            export.state.as_str().to_owned(),
            export.recipient.clone(),
            export.purpose.to_string(),
            export.principal.to_string(),
            export.format.as_str().to_owned(),
            export.rows.to_string(),
            export.subjects.to_string(),
            export.expires_at.to_string(),
        ]);
    }
    output::line(table.to_string())
}
