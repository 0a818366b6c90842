//! All tests, with the `custos` program built first.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use custos_testkit::cargo;

use crate::console::say;
use crate::step::{step, succeed};
use crate::test_counts::TestCounts;
use crate::{clients, services};

/// Installs what tests start, builds everything, then runs unit, integration and documentation tests.
pub(crate) fn run() -> Result<()> {
    step("services", services::install)?;
    step("clients", || {
        clients::install();
        Ok(())
    })?;
    step("build", build)?;
    let counts = step("test", test)?;
    ensure!(counts.passed > 0, "no test was run");
    say(&counts.to_string());
    Ok(())
}

/// Builds the programs, which tests start, together with the tests: apart, features might be
/// chosen differently, and the engines would be built twice.
fn build() -> Result<()> {
    succeed(cargo().args(["build", "--profile", "ci", "--workspace", "--bins", "--tests"]))
}

fn test() -> Result<TestCounts> {
    let mut command = cargo();
    command.args(["test", "--profile", "ci", "--workspace"]);
    counted(command)
}

/// Runs `cargo test`, passes its lines on as they come and adds up its counts.
fn counted(mut command: Command) -> Result<TestCounts> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo did not start")?;
    let lines = child.stdout.take().context("cargo has no standard output")?;
    let mut counts = TestCounts::default();
    for line in BufReader::new(lines).split(b'\n') {
        let line = line.context("the output of cargo could not be read")?;
        let line = String::from_utf8_lossy(&line);
        say(&line);
        counts.add(&line);
    }
    let status = child.wait().context("cargo could not be waited for")?;
    ensure!(status.success(), "tests failed ({status}): {counts}");
    Ok(counts)
}
