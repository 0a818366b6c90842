//! `custos policy`: are the files that govern all else right, and what do they come to?

mod check;
mod diff;
mod explain;
mod heads;
mod person;

use std::path::{Path, PathBuf};

use custos_core::ErrorKind;
use custos_policy::{PolicyFiles, PolicySet};

use crate::cli::PolicyCommand;
use crate::config::Config;
use crate::failure::Failure;
use crate::installation::policy_files;
use crate::{embedded, output};

pub(super) async fn run(config: Option<&Path>, command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { dir, contract } => {
            let named = dir.is_some();
            let place = Place::of(config, dir)?;
            let mut texts = place.contracts()?;
            if texts.is_empty() && !named {
                texts = Place(None).contracts()?;
            }
            check::run(&place.files()?, texts, &contract)
        }
        PolicyCommand::Test { dir } => test(&Place::of(config, dir)?.files()?),
        PolicyCommand::Diff { old, new, json } => diff::run(config, old, new, json).await,
        PolicyCommand::Explain(args) => {
            super::on(config, async |installed| explain::run(installed, &args).await).await
        }
    }
}

/// Where policies are: in a folder, or built into the program.
struct Place(Option<PathBuf>);

impl Place {
    /// The folder named, else the configured one, else the built-in policies.
    fn of(config: Option<&Path>, dir: Option<PathBuf>) -> Result<Self, Failure> {
        match dir {
            Some(dir) => Ok(Self(Some(dir))),
            None => Ok(Self(configuration(config)?.and_then(|config| config.policies))),
        }
    }

    fn files(&self) -> Result<PolicyFiles, Failure> {
        policy_files(self.0.as_deref())
    }

    /// The policies, unless they have mistakes, which are printed then.
    fn policies(&self) -> Result<PolicySet, Failure> {
        load(&self.files()?)
    }

    /// The texts of the contracts that lie with the policies, by file name.
    fn contracts(&self) -> Result<Vec<(String, String)>, Failure> {
        let Some(folder) = self.0.as_ref().map(|dir| dir.join("contracts")) else {
            let built_in = embedded::CONTRACTS.iter();
            return Ok(built_in.map(|(name, text)| ((*name).into(), (*text).into())).collect());
        };
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
        paths.sort();
        paths.iter().map(|path| contract(path)).collect()
    }
}

/// The configuration; none when no file is named and there is none to be found.
fn configuration(config: Option<&Path>) -> Result<Option<Config>, Failure> {
    match super::find(config) {
        Ok(found) => Ok(Some(found)),
        Err(_) if config.is_none() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The text of a contract file, with its name.
fn contract(path: &Path) -> Result<(String, String), Failure> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let message = format!("`{name}` cannot be read: {error}");
            Err(Failure::new(ErrorKind::NotFound, message))
        }
    }
}

fn load(files: &PolicyFiles) -> Result<PolicySet, Failure> {
    PolicySet::load(files).map_err(|found| {
        found.iter().for_each(|problem| output::problem(&problem.to_string()));
        Failure::new(ErrorKind::Invalid, format!("{} mistake(s)", found.len()))
    })
}

fn test(files: &PolicyFiles) -> Result<(), Failure> {
    let policy = load(files)?;
    let outcomes = policy.run_tests(files);
    let mut failed = 0;
    for outcome in &outcomes {
        if let Some(failure) = &outcome.failure {
            failed += 1;
            let line = outcome.line.map(|line| format!(":{line}")).unwrap_or_default();
            output::line(format!("{}{line}: `{}`: {failure}", outcome.file, outcome.name))?;
        }
    }
    output::line(format!("{} test(s) passed, {failed} failed", outcomes.len() - failed))?;
    if failed > 0 {
        return Err(Failure::new(
            ErrorKind::Invalid,
            "the policies do not decide as their tests say",
        ));
    }
    Ok(())
}
