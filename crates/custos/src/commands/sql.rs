//! `custos sql`: a SELECT as a principal, for a purpose.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, Writer, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use custos_core::{ErrorKind, Purpose};
use custos_policy::Principal;
use futures::TryStreamExt;

use crate::cli::SqlArgs;
use crate::failure::Failure;
use crate::installation::{Engine, Installation};
use crate::output;

/// Rows that are shown as a table; more are for `--json`.
const TABLE_ROWS_MAX: usize = 1_000;

pub(super) async fn run(installation: &Installation, args: &SqlArgs) -> Result<(), Failure> {
    let principal = installation.principal(&args.principal).await?;
    let purpose = purpose_of(installation, &principal, args.purpose.as_ref())?;
    let engine = installation.engine().await?;
    let (schema, batches) = rows(&engine, &args.sql, &principal, &purpose).await?;
    if args.json {
        return print_json(&batches);
    }
    print_table(&schema, &batches)
}

/// The purpose that was named, or the principal's default.
pub(super) fn purpose_of(
    installation: &Installation,
    principal: &Principal,
    named: Option<&Purpose>,
) -> Result<Purpose, Failure> {
    named.or_else(|| installation.policy.default_purpose(principal)).cloned().ok_or_else(|| {
        Failure::new(ErrorKind::Invalid, "no purpose is named and the principal has no default")
            .with_hint("name what the answer is for with --purpose")
    })
}

/// Runs a statement to its end.
pub(crate) async fn rows(
    engine: &Engine,
    sql: &str,
    principal: &Principal,
    purpose: &Purpose,
) -> Result<(SchemaRef, Vec<RecordBatch>), Failure> {
    let governed = match engine.governor.govern(sql, principal, purpose).await {
        Ok(governed) => governed,
        Err(error) => {
            engine.executor.record_refusal(principal, purpose, &error).await?;
            return Err(error.into());
        }
    };
    let stream = engine.executor.run(governed).await?;
    let schema = SchemaRef::clone(stream.schema());
    Ok((schema, stream.try_collect().await?))
}

fn print_json(batches: &[RecordBatch]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut writer: Writer<_, LineDelimited> =
        WriterBuilder::new().with_explicit_nulls(true).build(&mut out);
    for batch in batches {
        writer.write(batch).map_err(|_| {
            Failure::new(ErrorKind::Internal, "the answer could not be written as JSON")
        })?;
    }
    writer
        .finish()
        .map_err(|_| Failure::new(ErrorKind::Internal, "the answer could not be written as JSON"))
}

/// Prints an answer for people.
pub(crate) fn print_table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), Failure> {
    let mut table = output::table([]);
    table.set_header(schema.fields().iter().map(|field| field.name().clone()));
    let options = FormatOptions::default();
    let failed = || Failure::new(ErrorKind::Internal, "the answer could not be shown as a table");
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut shown = 0;
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()
            .map_err(|_| failed())?;
        for row in 0..batch.num_rows().min(TABLE_ROWS_MAX - shown) {
            table.add_row(columns.iter().map(|column| column.value(row).to_string()));
            shown += 1;
        }
    }
    output::line(table.to_string())?;
    if shown < total {
        output::note(format!("{shown} of {total} rows; use --json for all"));
    }
    Ok(())
}
