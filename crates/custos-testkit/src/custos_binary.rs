//! The `custos` program that belongs to the running test.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cargo::cargo;

/// The `custos` program of the same profile as the running test, built first if it is missing.
///
/// `cargo xtask test` builds it before the tests. A test that is started by hand uses the program
/// that is there, which may be older than the sources.
///
/// # Errors
/// The running program does not lie in a Cargo target folder, or the build failed.
pub fn custos_binary() -> Result<PathBuf> {
    let running = env::current_exe().context("the running program has no path")?;
    let folder = profile_folder(&running).context("not run from a Cargo target folder")?;
    let program = folder.join(format!("custos{}", env::consts::EXE_SUFFIX));
    if !program.is_file() {
        build(folder)?;
    }
    Ok(program)
}

/// The folder that all profiles share.
pub(crate) fn target_folder(running: &Path) -> Option<&Path> {
    profile_folder(running)?.parent()
}

/// `target/ci` of both `target/ci/deps/it-0123` and `target/ci/bench`.
fn profile_folder(running: &Path) -> Option<&Path> {
    let folder = running.parent()?;
    if folder.ends_with("deps") { folder.parent() } else { Some(folder) }
}

/// The Cargo profile whose output lies in `folder`: all are named alike, but for `dev`.
fn profile_name(folder: &Path) -> Option<&str> {
    match folder.file_name()?.to_str()? {
        "debug" => Some("dev"),
        name => Some(name),
    }
}

fn build(folder: &Path) -> Result<()> {
    let profile = profile_name(folder).context("not run from a Cargo target folder")?;
    let target = folder.parent().context("not run from a Cargo target folder")?;
    let status = cargo()
        .args(["build", "--quiet", "--package", "custos", "--profile", profile, "--target-dir"])
        .arg(target)
        .status()
        .context("cargo did not start")?;
    ensure!(status.success(), "`custos` could not be built");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_read_from_where_the_test_runs() {
        for (running, profile) in [
            ("target/ci/deps/it-0123", Some("ci")),
            ("target/debug/deps/it-0123", Some("dev")),
            ("target/ci/bench", Some("ci")),
            ("bench", None),
        ] {
            let folder = profile_folder(Path::new(running));
            assert_eq!(folder.and_then(profile_name), profile, "{running}");
        }
    }
}
