//! The non-interference harness: a long run, and the weakenings that it must notice.

use anyhow::{Context, Result, bail};
use custos_testkit::cargo;

use crate::step::succeed;

/// Asks generated statements; which and how many, settings say.
pub(crate) fn run(settings: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--profile", "ci", "--workspace", "--test", "noninterference"]);
    for setting in settings.chunks(2) {
        let (variable, value) = match setting {
            ["--queries", value] => ("CUSTOS_NI_QUERIES", value),
            ["--seed", value] => ("CUSTOS_NI_SEED", value),
            _ => bail!("use --queries N and --seed S, or --mutants"),
        };
        let number: u32 = value.parse().with_context(|| format!("`{value}` is not a number"))?;
        command.env(variable, number.to_string());
    }
    succeed(command.args(["--", "--nocapture", "generated"]))
}

/// Builds the enforcement with its weakenings, and switches one after the other on.
pub(crate) fn mutants() -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--profile", "ci", "--workspace", "--test", "noninterference"]);
    command.args(["--features", "custos-tests/mutants", "--", "--nocapture", "every_weakening"]);
    succeed(&mut command)
}
