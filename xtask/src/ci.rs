//! Everything that must pass before a change lands, cheapest first.

use anyhow::Result;
use custos_testkit::{cargo, host_triple};

use crate::step::{step, succeed};
use crate::{licences, lock_file, noninterference, test_run, tidy};

/// Runs all checks and all tests, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    // From here on the lock file is known to be current. Only tests fetch anything more: the
    // servers they run against, pinned and once, into `target/tools`.
    step("fetch", || succeed(cargo().args(["fetch", "--locked", "--target", &host_triple()?])))?;
    step("format", || succeed(cargo().args(["fmt", "--all", "--check"])))?;
    step("tidy", tidy::run)?;
    step("licences", licences::check)?;
    step("lock file", lock_file::check)?;
    step("clippy", clippy)?;
    test_run::run()?;
    // The tests ask a tenth of these; a fault that shows once in thousands needs the rest.
    step("non-interference", || noninterference::run(&["--queries", "20000", "--seed", "2"]))
}

fn clippy() -> Result<()> {
    let mut command = cargo();
    command.args(["clippy", "--profile", "ci", "--workspace", "--all-targets", "--"]);
    succeed(command.args(["-D", "warnings"]))
}
