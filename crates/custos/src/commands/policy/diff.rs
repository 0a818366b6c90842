//! `custos policy diff`: what a change of the policies opens and closes, and to how many people.

use std::path::{Path, PathBuf};

use custos_core::{Clock, ErrorKind, Purpose};
use custos_ingest::Contract;
use custos_policy::{PolicyDiff, PolicySet, RowRule};

use super::Place;
use super::heads::Heads;
use crate::clock::SystemClock;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;
use crate::policy_change::{between, datasets};

pub(super) async fn run(
    config: Option<&Path>,
    old: PathBuf,
    new: Option<PathBuf>,
    json: bool,
) -> Result<(), Failure> {
    let old = Place(Some(old));
    let new = Place::of(config, new)?;
    let sides = (old.policies()?, new.policies()?);
    let diff = match super::configuration(config)? {
        Some(_) => {
            let mut diff = None;
            super::super::on(config, async |installed| {
                diff = Some(counted(installed, &sides).await?);
                Ok(())
            })
            .await?;
            diff
        }
        None => Some(uncounted(&new, &sides)?),
    };
    match diff {
        Some(diff) if json => output::json(&diff),
        Some(diff) => output::line(diff.to_string().trim_end()),
        None => Err(Failure::new(ErrorKind::Internal, "nothing was compared")),
    }
}

/// The difference on the sources that were loaded, with how many people it concerns.
async fn counted(
    installation: &Installation,
    sides: &(PolicySet, PolicySet),
) -> Result<PolicyDiff, Failure> {
    let contracts = installation.contracts().await?;
    let heads = Heads::read(installation, &contracts).await?;
    let count = |purpose: &Purpose, rows: RowRule| heads.count(purpose, rows);
    let datasets = datasets(&contracts)?;
    Ok(between((&sides.0, &sides.1), &datasets, installation.clock.now(), &count))
}

/// The difference on the sources whose contracts lie with the policies, else on the built-in ones.
fn uncounted(place: &Place, sides: &(PolicySet, PolicySet)) -> Result<PolicyDiff, Failure> {
    let mut texts = place.contracts()?;
    if texts.is_empty() {
        texts = Place(None).contracts()?;
    }
    let parse = |(name, text): &(String, String)| {
        Contract::parse(name, text).map_err(|found| {
            found.iter().for_each(|problem| output::problem(&problem.to_string()));
            Failure::new(ErrorKind::Invalid, format!("{} mistake(s)", found.len()))
        })
    };
    let contracts: Vec<Contract> = texts.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(between((&sides.0, &sides.1), &datasets(&contracts)?, SystemClock.now(), &|_, _| None))
}
