//! `custos policy check`: every mistake in policies and contracts.

use std::fmt::Display;
use std::path::PathBuf;

use custos_core::{ErrorKind, TableName};
use custos_ingest::Contract;
use custos_policy::{PolicyFiles, PolicySet};

use crate::failure::Failure;
use crate::policy_change::datasets;
use crate::{embedded, output};

/// Checks policies with the texts of contracts by file name, and of those in files that were named.
pub(super) fn run(
    files: &PolicyFiles,
    mut texts: Vec<(String, String)>,
    named: &[PathBuf],
) -> Result<(), Failure> {
    for path in named {
        texts.push(super::contract(path)?);
    }
    let mut problems: Vec<String> = Vec::new();
    let policy = match PolicySet::load(files) {
        Ok(policy) => Some(policy),
        Err(found) => {
            problems.extend(found.iter().map(describe));
            None
        }
    };
    let mut contracts = Vec::new();
    for (name, text) in &texts {
        match Contract::parse(name, text) {
            Ok(contract) => {
                if let Some(policy) = &policy {
                    problems.extend(unknown_names(name, &contract, policy));
                }
                contracts.push(contract);
            }
            Err(found) => problems.extend(found.iter().map(describe)),
        }
    }
    // A contract with a mistake may be the one that is missed.
    if let Some(policy) = policy.filter(|_| contracts.len() == texts.len()) {
        problems.extend(unknown_tables(&policy, &contracts)?);
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

/// Tables that retention rules name and no decision is about: what they should limit goes without
/// limit.
fn unknown_tables(policy: &PolicySet, contracts: &[Contract]) -> Result<Vec<String>, Failure> {
    let built_in = embedded::CONTRACTS.iter();
    let built_in = built_in.filter_map(|(name, text)| Contract::parse(name, text).ok());
    let all: Vec<Contract> = contracts.iter().cloned().chain(built_in).collect();
    let known: Vec<TableName> = datasets(&all)?.into_iter().map(|dataset| dataset.table).collect();
    let is_known = |table: &TableName| {
        // What of a source is set aside is told with what of it is kept.
        known.contains(table) || table.as_str().starts_with("quarantine.")
    };
    let mut problems = Vec::new();
    for rule in policy.retention_rules() {
        for table in rule.tables.iter().filter(|table| !is_known(table)) {
            let (what, remedy) = match table.as_str().strip_prefix("landing.") {
                Some(contract) => (
                    format!("contract `{contract}`, which nobody has"),
                    "correct the name, or give the contract with --contract",
                ),
                None => (
                    format!("table `{table}`, of which no decision is made"),
                    "name the contract whose rows it should limit",
                ),
            };
            problems.push(format!(
                "retention.yaml:{}: rule `{}` names {what} ({remedy})",
                rule.line, rule.id
            ));
        }
    }
    Ok(problems)
}
