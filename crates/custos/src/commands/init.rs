//! `custos init`: a new, empty installation.

use std::collections::BTreeMap;
use std::path::Path;

use custos_core::ErrorKind;

use crate::cli::InitArgs;
use crate::config::{Config, FILE, TEMPLATE};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(args: &InitArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    let config = write_config(dir, args.lake.as_deref(), args.keys.as_deref())?;
    Installation::create(config).await?;
    output::note(format!(
        "made {0}\nnext:\n  cd {0}\n  custos ingest --contract CONTRACT.yaml FILE...\n\
         back up the control store with `custos backup FILE`, and the keys elsewhere: with either \
         lost nothing opens",
        dir.display()
    ));
    Ok(())
}

/// Writes the configuration of a new installation and reads it back.
pub(crate) fn write_config(
    dir: &Path,
    lake: Option<&str>,
    keys: Option<&str>,
) -> Result<Config, Failure> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(FILE);
    if path.exists() {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("`{}` is an installation already", dir.display()),
        )
        .with_hint("choose another folder"));
    }
    let mut text = TEMPLATE.to_owned();
    for (name, place) in [("lake", lake), ("keys", keys)] {
        if let Some(place) = place {
            let written = format!("{name} = {}", toml_text(place));
            text = text.replacen(&format!("{name} = \"{name}\""), &written, 1);
        }
    }
    std::fs::write(&path, text)?;
    Config::find(Some(&path), &BTreeMap::new())
}

/// A text as the configuration file has it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
