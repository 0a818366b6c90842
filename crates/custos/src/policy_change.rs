//! Changes of the policies: what they come to, and that they are on record.

use custos_audit::{Action, Entry, Outcome};
use custos_core::{ErrorKind, NameError, Purpose, Timestamp};
use custos_ingest::{Contract, vault_dataset};
use custos_policy::{Dataset, HeadCount, PolicyDiff, PolicyFiles, PolicySet, Principal};
use custos_store::PolicyEpoch;

use crate::commands;
use crate::failure::Failure;
use crate::installation::Installation;

/// How often another process may put policies into force at the same moment.
const ATTEMPTS_MAX: u32 = 16;

/// Puts the policies of an installation on record and into the audit log, with how much they open
/// and close, unless they are the last ones there. Of several processes that find them changed, one
/// does.
pub(crate) async fn put_on_record(installation: &Installation) -> Result<(), Failure> {
    let version = installation.policy.version().as_str();
    for _ in 0..ATTEMPTS_MAX {
        let before = installation.store.policy_epoch().await?;
        if before.as_ref().is_some_and(|before| before.version == version) {
            return Ok(());
        }
        let at = installation.clock.now();
        let pairs = installation.policy_files.pairs();
        let epoch = PolicyEpoch {
            number: before.as_ref().map_or(0, |before| before.number) + 1,
            version: version.to_owned(),
            at,
            files: pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
        };
        let mut detail = vec![("policy", version.to_owned())];
        if let Some(before) = before {
            detail.push(("before", before.version.clone()));
            if let Some(diff) = since(installation, before, at).await {
                detail.push(("opens", diff.opening().to_string()));
                detail.push(("closes", diff.closing().to_string()));
            }
        }
        let entry = Entry {
            at,
            actor: commands::actor()?,
            action: Action::PolicyLoaded,
            object: "policies".to_owned(),
            purpose: None,
            outcome: Outcome::Done,
            tie: None,
            detail: detail.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
        };
        if installation.store.put_policy_epoch(&epoch, &entry).await? {
            return Ok(());
        }
    }
    Err(Failure::new(ErrorKind::Conflict, "other processes keep putting other policies into force")
        .with_hint("let all processes of an installation use the same policies"))
}

/// What the policies of an installation changed; none where those before or a contract cannot be
/// read by this program.
async fn since(
    installation: &Installation,
    before: PolicyEpoch,
    now: Timestamp,
) -> Option<PolicyDiff> {
    let old = PolicySet::load(&PolicyFiles::from_pairs(before.files)).ok()?;
    let datasets = datasets(&installation.contracts().await.ok()?).ok()?;
    Some(between((&old, &installation.policy), &datasets, now, &|_, _| None))
}

/// Compares for whomever one of the two versions knows.
pub(crate) fn between(
    (old, new): (&PolicySet, &PolicySet),
    datasets: &[Dataset],
    now: Timestamp,
    people: &HeadCount<'_>,
) -> PolicyDiff {
    let mut principals: Vec<Principal> = old.representatives();
    principals.extend(new.representatives());
    principals.sort_by(|a, b| (&a.id, &a.roles).cmp(&(&b.id, &b.roles)));
    principals.dedup();
    PolicyDiff::between(old, new, datasets, &principals, now, people)
}

/// What the policies see of these sources and the vault.
pub(crate) fn datasets(contracts: &[Contract]) -> Result<Vec<Dataset>, NameError> {
    let mut datasets: Vec<Dataset> =
        contracts.iter().map(Contract::dataset).collect::<Result<_, _>>()?;
    let mut purposes: Vec<Purpose> =
        contracts.iter().flat_map(|contract| contract.purposes.iter().cloned()).collect();
    purposes.sort();
    purposes.dedup();
    datasets.push(vault_dataset(purposes)?);
    Ok(datasets)
}
