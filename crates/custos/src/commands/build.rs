//! `custos build`: are the published tables what they say?

use custos_core::ErrorKind;
use custos_policy::Principal;
use serde_json::json;

use crate::cli::BuildArgs;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &BuildArgs) -> Result<(), Failure> {
    let principal = match &args.principal {
        Some(name) => installation.principal(name).await?,
        None => Principal::new("custos.build".parse()?, vec!["analyst".to_owned()]),
    };
    let purpose = super::sql::purpose_of(installation, &principal, args.purpose.as_ref())?;
    let engine = installation.engine().await?;
    let mut table = output::table(["model", "tests", "failed"]);
    let mut failed_tests = 0;
    for model in engine.models.ordered() {
        let sql = format!("select * from {} limit 0", model.name);
        super::rows(&engine, &sql, &principal, &purpose).await.map_err(|failure| {
            let broken = format!("model `{}` cannot be planned", model.name);
            Failure::new(ErrorKind::Invalid, broken).with_hint(format!("{failure:?}"))
        })?;
        let mut failed = 0;
        for test in &model.tests {
            let counted = format!("select count(*) as failing from ({}) as failing", test.sql);
            let (_, batches) = super::rows(&engine, &counted, &principal, &purpose).await?;
            let rows = batches.iter().find_map(first_number).unwrap_or(0);
            failed += u64::from(rows > 0);
            if args.json {
                output::json(
                    &json!({"model": model.name, "test": test.name, "failing_rows": rows}),
                )?;
            } else if rows > 0 {
                output::note(format!(
                    "{}: test `{}` has {rows} failing row(s)",
                    model.name, test.name
                ));
            }
        }
        failed_tests += failed;
        table.add_row([model.name.clone(), model.tests.len().to_string(), failed.to_string()]);
    }
    if !args.json {
        output::line(table.to_string())?;
    }
    match failed_tests {
        0 => Ok(()),
        count => Err(Failure::new(ErrorKind::Integrity, format!("{count} model test(s) failed"))),
    }
}

fn first_number(batch: &arrow::array::RecordBatch) -> Option<i64> {
    use arrow::array::AsArray;
    let column = batch.columns().first()?.as_primitive_opt::<arrow::datatypes::Int64Type>()?;
    column.values().first().copied()
}
