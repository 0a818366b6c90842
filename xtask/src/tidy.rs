//! The tidy rules, all at once and without building the tests.

use anyhow::{Result, ensure};
use custos_testkit::{Sources, Workspace, tidy, workspace_root};

use crate::console::complain;

/// Prints everything that is not tidy.
pub(crate) fn run() -> Result<()> {
    let found = tidy::all(&Sources::read(&workspace_root())?, &Workspace::load()?);
    for finding in &found {
        complain(&finding.to_string());
    }
    ensure!(found.is_empty(), "{} places are not tidy", found.len());
    Ok(())
}
