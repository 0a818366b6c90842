//! Tests that are run where they are asked for: they are large, or follow the clock.

use anyhow::Result;
use custos_testkit::cargo;

use crate::services;
use crate::step::{step, succeed};

/// Installs Superset and has it work with Custos and with PostgreSQL.
///
/// What it needs of the operating system beyond a PostgreSQL server is Python that makes
/// environments; the test says so where that is missing.
pub(crate) fn superset() -> Result<()> {
    step("services", services::install)?;
    step("superset", || run("CLIENTS_SUPERSET", "superset::"))
}

/// Kills every job before each change of what it stores, and looks at what it left.
pub(crate) fn crashes() -> Result<()> {
    step("crashes", || run("CRASH_POINTS", "killed_at_any_moment"))
}

/// Has clients that mean harm try it at every door, beside clients that behave: what the latter wait
/// for, and what memory it takes, is measured.
pub(crate) fn hostile() -> Result<()> {
    step("hostile clients", || run("CLIENTS_HOSTILE", "hostile_clients::"))
}

fn run(asked: &str, tests: &str) -> Result<()> {
    // Together with the program that the test starts, which is built from these sources.
    succeed(cargo().args(["build", "--profile", "ci", "--workspace", "--bins", "--tests"]))?;
    let mut command = cargo();
    command.args(["test", "--profile", "ci", "--workspace", "--test", "it"]);
    command.env(asked, "1");
    succeed(command.args(["--", "--nocapture", tests]))
}
