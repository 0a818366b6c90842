//! Benchmarks, which live in the package of integration tests.

use std::process::Command;

use anyhow::{Context, Result};
use custos_testkit::cargo;

use crate::step::succeed;

/// The Cargo profile whose programs are measured.
const PROFILE: &str = "measure";

/// Runs the benchmark `name`; with `json`, standard output is one object a line and nothing else.
///
/// All programs are built together: alone, this one would choose the engines' features otherwise.
pub(crate) fn run(name: &str, json: bool) -> Result<()> {
    succeed(cargo().args(["build", "--profile", PROFILE, "--workspace", "--bins"]))?;
    let running = std::env::current_exe().context("the running program has no path")?;
    let target = running.ancestors().nth(2).context("not run from a Cargo target folder")?;
    let mut command = Command::new(target.join(PROFILE).join("bench"));
    command.arg(name);
    if json {
        command.arg("--json");
    }
    succeed(&mut command)
}
