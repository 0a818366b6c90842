//! Benchmarks, which live in the package of integration tests.

use anyhow::Result;
use custos_testkit::cargo;

use crate::step::succeed;

/// Runs the benchmark `name`; with `json`, standard output is one object a line and nothing else.
pub(crate) fn run(name: &str, json: bool) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--profile", "ci", "--package", "custos-tests"]);
    command.args(["--bin", "bench", "--", name]);
    if json {
        command.arg("--json");
    }
    succeed(&mut command)
}
