//! Running Cargo from inside a process that Cargo started.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace_root;

/// A `cargo` command in the workspace root, with the environment of a plain shell.
///
/// Cargo describes the running package to its children. Left in place, that description reaches
/// build scripts that watch it, and they and all above them would be built once more.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"]
            .contains(&name)
}

/// What `command` printed.
///
/// # Errors
/// The command did not start, failed, or printed something other than UTF-8.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output().context("cargo did not start")?;
    ensure!(output.status.success(), "cargo failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("cargo printed something other than UTF-8")
}

/// The platform that Cargo builds for by default, such as `x86_64-unknown-linux-gnu`.
///
/// # Errors
/// Cargo did not start, or no longer names its host.
pub fn host_triple() -> Result<String> {
    let mut command = cargo();
    command.arg("-vV");
    output(command)?
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("cargo does not name its host")
}
