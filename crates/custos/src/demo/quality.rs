//! How well resolution found who is whom, against the generated truth.

use std::collections::HashMap;
use std::sync::Arc;

use custos_core::{PersonMap, Rid};
use custos_identity::{Quality, normalise, pairwise};
use custos_lake::{Access, vault};
use custos_policy::MaintenanceJob;

use super::generate::Truth;
use crate::failure::Failure;
use crate::installation::Installation;

/// Compares clusters with the truth over all accounts that the truth knows.
pub(super) async fn measure(
    installation: &Installation,
    truth: &Truth,
    persons: &PersonMap,
) -> Result<Quality, Failure> {
    let table = installation.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
    let grant = installation.policy.maintenance(MaintenanceJob::Verification, table.name());
    let access = Access::Maintenance(&grant);
    let kinds = custos_core::IdentifierType::ALL;
    let rows = vault::read_values(&table, access, &kinds, None).await?;
    let mut subject_of: HashMap<(String, String), Vec<Rid>> = HashMap::new();
    for row in rows.iter().filter(|row| row.index.role.is_empty() && row.index.kind.links()) {
        let key = (row.index.source.to_string(), row.value.expose().clone());
        subject_of.entry(key).or_default().push(row.index.rid);
    }
    let mut clusters: HashMap<u32, Vec<Rid>> = HashMap::new();
    let mut subjects = Vec::new();
    for (source, account, customer) in truth.accounts() {
        let found = kinds.iter().filter(|kind| kind.links()).find_map(|kind| {
            let value = normalise(*kind, account, Some("CN")).ok()?;
            subject_of.get(&(source.to_owned(), value))
        });
        // An account is named by its strongest identifier, so one subject bears it; an identifier
        // that several accounts of a source bear tells nothing about which is meant.
        if let Some([rid]) = found.map(Vec::as_slice) {
            clusters.entry(customer).or_default().push(*rid);
            subjects.push(*rid);
        }
    }
    let truth = PersonMap::from_clusters(clusters.into_values());
    Ok(pairwise(persons, &truth, subjects))
}
