//! Apache Superset as a client, apart from the other tests, since it is large.

use anyhow::Result;
use custos_testkit::cargo;

use crate::services;
use crate::step::{step, succeed};

/// Installs Superset and has it work with Custos and with PostgreSQL.
///
/// What it needs of the operating system beyond a PostgreSQL server is Python that makes
/// environments; the test says so where that is missing.
pub(crate) fn run() -> Result<()> {
    step("services", services::install)?;
    step("superset", || {
        // Together with the program that the test starts, which is built from these sources.
        succeed(cargo().args(["build", "--profile", "ci", "--workspace", "--bins", "--tests"]))?;
        let mut command = cargo();
        command.args(["test", "--profile", "ci", "--workspace", "--test", "it"]);
        command.env("CLIENTS_SUPERSET", "1");
        succeed(command.args(["--", "--nocapture", "superset::"]))
    })
}
