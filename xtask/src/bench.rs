//! Benchmarks, which live in the package of integration tests.

use std::process::Command;

use anyhow::{Context, Result};

use crate::step::succeed;
use crate::test_run;

/// Runs the benchmark `name`; with `json`, standard output is one object a line and nothing else.
///
/// The program is built as the tests are: alone, it would choose the engines' features otherwise
/// and build them a second time.
pub(crate) fn run(name: &str, json: bool) -> Result<()> {
    test_run::build()?;
    let running = std::env::current_exe().context("the running program has no path")?;
    let mut command = Command::new(running.with_file_name("bench"));
    command.arg(name);
    if json {
        command.arg("--json");
    }
    succeed(&mut command)
}
