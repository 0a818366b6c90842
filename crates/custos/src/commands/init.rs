//! `custos init`: a new, empty installation.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use custos_core::ErrorKind;
use custos_store::PostgresUrl;

use crate::cli::InitArgs;
use crate::config::{Config, FILE, TEMPLATE, environment};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(args: &InitArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    // Where later commands look for the store is where it is made.
    let mut environment = environment();
    environment.retain(|name, _| name == "CUSTOS_STORAGE_CONTROL");
    let config = write_config(dir, &places(args), &environment)?;
    if let Err(failure) = Installation::create(config).await {
        // Without a configuration there is no installation, and init can be repeated.
        std::fs::remove_file(dir.join(FILE))?;
        return Err(failure);
    }
    output::note(format!(
        "made {0}\nnext:\n  cd {0}\n  custos ingest --contract CONTRACT.yaml FILE...\n\
         back up the keys, apart from the lake: without them nothing opens",
        dir.display()
    ));
    Ok(())
}

/// The settings that were given, by name.
fn places(args: &InitArgs) -> Vec<(&str, &str)> {
    let given = [("lake", &args.lake), ("keys", &args.keys), ("control", &args.control)];
    given.into_iter().filter_map(|(name, place)| Some((name, place.as_deref()?))).collect()
}

/// Writes the configuration of a new installation, with these places in place of folders, and reads
/// it back.
pub(crate) fn write_config(
    dir: &Path,
    places: &[(&str, &str)],
    environment: &BTreeMap<String, String>,
) -> Result<Config, Failure> {
    for (_, url) in places.iter().filter(|(name, _)| *name == "control") {
        url.parse::<PostgresUrl>().map_err(|error| Failure::of(&error))?;
    }
    std::fs::create_dir_all(dir)?;
    let path = dir.join(FILE);
    // A URL may hold a password.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            ErrorKind::Conflict,
            format!("`{}` is an installation already", dir.display()),
        )
        .with_hint("choose another folder"),
        _ => error.into(),
    })?;
    let mut text = TEMPLATE.to_owned();
    for (name, place) in places {
        let written = format!("{name} = {}", toml_text(place));
        text = text.replacen(&format!("{name} = \"{name}\""), &written, 1);
    }
    file.write_all(text.as_bytes())?;
    Config::find(Some(&path), environment)
}

/// A text as the configuration file has it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Control, LakePlace};

    #[test]
    fn the_configuration_names_the_places_that_were_given() {
        let home = tempfile::tempdir().unwrap();
        let (lake, url) = ("s3://shop/lake", "postgres://ana:a%5C%22b@localhost/control");
        let config =
            write_config(home.path(), &[("lake", lake), ("control", url)], &BTreeMap::new())
                .unwrap();
        assert_eq!(config.lake, LakePlace::Url(lake.to_owned()));
        let (url, folder) = (url.parse().unwrap(), home.path().join("control"));
        assert_eq!(config.control, Control::Server { url, folder });
        let folder = tempfile::tempdir().unwrap();
        let config = write_config(folder.path(), &[], &BTreeMap::new()).unwrap();
        assert_eq!(config.lake, LakePlace::Folder(folder.path().join("lake")));
        assert_eq!(config.control, Control::Folder(folder.path().join("control")));
    }
}
