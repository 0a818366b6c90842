//! `custos policy`: are the files that govern all else right?

use std::fmt::Display;
use std::path::{Path, PathBuf};

use custos_core::ErrorKind;
use custos_ingest::Contract;
use custos_policy::{PolicyFiles, PolicySet};

use crate::cli::PolicyCommand;
use crate::failure::Failure;
use crate::installation::policy_files;
use crate::{embedded, output};

pub(super) fn run(config: Option<&Path>, command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { dir, contract } => {
            let files = files(config, dir.as_deref())?;
            check(&files, &contracts(dir.as_deref(), contract)?)
        }
        PolicyCommand::Test { dir } => test(&files(config, dir.as_deref())?),
    }
}

/// The policies of the folder named, else the configured ones, else the built-in ones.
fn files(config: Option<&Path>, dir: Option<&Path>) -> Result<PolicyFiles, Failure> {
    match dir {
        Some(dir) => policy_files(Some(dir)),
        None => match super::find(config) {
            Ok(config) => policy_files(config.policies.as_deref()),
            Err(_) if config.is_none() => Ok(embedded::policies()),
            Err(failure) => Err(failure),
        },
    }
}

/// The contracts to check, by file name.
fn contracts(dir: Option<&Path>, named: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let mut texts = Vec::new();
    let folder = dir.map(|dir| dir.join("contracts"));
    match folder {
        Some(folder) if folder.is_dir() => {
            let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()?;
            paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
            paths.sort();
            for path in paths {
                texts.push((path.display().to_string(), std::fs::read_to_string(&path)?));
            }
        }
        Some(_) => {}
        None => texts.extend(
            embedded::CONTRACTS.iter().map(|(name, text)| ((*name).into(), (*text).into())),
        ),
    }
    for path in named {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("`{}` cannot be read: {error}", path.display());
            Failure::new(ErrorKind::NotFound, message)
        })?;
        texts.push((path.display().to_string(), text));
    }
    Ok(texts)
}

fn check(files: &PolicyFiles, contracts: &[(String, String)]) -> Result<(), Failure> {
    let mut problems: Vec<String> = Vec::new();
    let policy = match PolicySet::load(files) {
        Ok(policy) => Some(policy),
        Err(found) => {
            problems.extend(found.iter().map(describe));
            None
        }
    };
    for (name, text) in contracts {
        match Contract::parse(name, text) {
            Ok(contract) => {
                if let Some(policy) = &policy {
                    problems.extend(unknown_names(name, &contract, policy));
                }
            }
            Err(found) => problems.extend(found.iter().map(describe)),
        }
    }
    if problems.is_empty() {
        return output::line(format!("policies and {} contract(s) hold", contracts.len()));
    }
    problems.iter().try_for_each(output::line)?;
    Err(Failure::new(ErrorKind::Invalid, format!("{} mistake(s)", problems.len())))
}

fn describe(problem: &impl Display) -> String {
    problem.to_string()
}

/// Purposes and categories of a contract that no policy knows: nobody could ever see those rows.
fn unknown_names(name: &str, contract: &Contract, policy: &PolicySet) -> Vec<String> {
    let purposes = contract.purposes.iter().filter(|purpose| policy.purpose(purpose).is_none()).map(
        |purpose| format!("{name}: purpose `{purpose}` is not in purposes.yaml (add it there, or use one that is)"),
    );
    let categories = contract
        .columns
        .iter()
        .filter_map(|column| column.category.as_ref().map(|category| (column, category)))
        .filter(|(_, category)| policy.category(category).is_none())
        .map(|(column, category)| {
            format!(
                "{name}: column `{}` has category `{category}`, which is not in categories.yaml (nobody would see it)",
                column.name
            )
        });
    purposes.chain(categories).collect()
}

fn test(files: &PolicyFiles) -> Result<(), Failure> {
    let policy = PolicySet::load(files).map_err(|found| {
        found.iter().for_each(|problem| output::problem(&problem.to_string()));
        Failure::new(ErrorKind::Invalid, format!("{} mistake(s)", found.len()))
    })?;
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
