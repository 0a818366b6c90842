//! `custos init`: a new, empty installation.

use std::collections::BTreeMap;
use std::path::Path;

use custos_core::ErrorKind;

use crate::config::{Config, FILE, TEMPLATE};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(dir: &Path) -> Result<(), Failure> {
    let config = write_config(dir)?;
    Installation::create(config).await?;
    output::note(format!(
        "made {0}\nnext:\n  cd {0}\n  custos ingest --contract CONTRACT.yaml FILE...\n\
         back up control/ and keys/, and keep the two apart: with both lost nothing opens",
        dir.display()
    ));
    Ok(())
}

/// Writes the configuration of a new installation and reads it back.
pub(crate) fn write_config(dir: &Path) -> Result<Config, Failure> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(FILE);
    if path.exists() {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("`{}` is an installation already", dir.display()),
        )
        .with_hint("choose another folder"));
    }
    std::fs::write(&path, TEMPLATE)?;
    Config::find(Some(&path), &BTreeMap::new())
}
