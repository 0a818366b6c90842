//! `custos compact`: loaded files as sorted ones.

use serde_json::json;

use crate::cli::JsonArg;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &JsonArg) -> Result<(), Failure> {
    let progress = output::progress("compacting", 0);
    let done = installation
        .compactor()
        .run(&super::actor()?, &|table| progress.set_message(format!("compacting {table}")))
        .await?;
    progress.finish_and_clear();
    if args.json {
        return done.iter().try_for_each(|(table, compacted)| {
            output::json(&json!({"table": table, "compacted": compacted}))
        });
    }
    if done.is_empty() {
        output::note("nothing to do: no table has enough loaded files");
        return Ok(());
    }
    let mut shown = output::table(["table", "files", "MB", "rows", "superseded"]);
    for (table, compacted) in done {
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        shown.add_row([
            table.to_string(),
            format!("{} -> {}", compacted.files_before, compacted.files_after),
            format!(
                "{} -> {}",
                megabytes(compacted.bytes_before),
                megabytes(compacted.bytes_after)
            ),
            compacted.rows.to_string(),
            compacted.superseded.to_string(),
        ]);
    }
    output::line(shown.to_string())
}
