//! The crate table of README.md.

use std::fs;

use anyhow::{Context, Result};
use custos_testkit::{Workspace, crate_map, with_crate_map, workspace_root};

/// Rewrites the table from the manifests.
pub(crate) fn run() -> Result<()> {
    let path = workspace_root().join("README.md");
    let readme = fs::read_to_string(&path).context("README.md could not be read")?;
    let fresh = with_crate_map(&readme, &crate_map(&Workspace::load()?))?;
    fs::write(&path, fresh).context("README.md could not be written")
}
