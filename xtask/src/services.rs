//! Servers that tests start, from the packages of the operating system.

use std::process::Command;

use anyhow::{Context, Result};
use custos_testkit::{is_root, postgres_programs};

use crate::step::succeed;

/// Installs the servers that are missing, where this may be done.
///
/// # Errors
/// One is missing and cannot be installed from here; the message says how to.
pub(crate) fn install() -> Result<()> {
    if is_root() && postgres_programs().is_err() {
        apt_get(&["update"])?;
        apt_get(&["install", "--yes", "--no-install-recommends", "postgresql", "openssl"])?;
    }
    postgres_programs().map(|_| ())
}

/// Runs `apt-get`, which asks nothing.
///
/// # Errors
/// There is none, or it failed.
pub(crate) fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    succeed(&mut command).with_context(|| format!("`apt-get {}` failed", arguments.join(" ")))
}
