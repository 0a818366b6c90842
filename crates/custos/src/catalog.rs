//! From contracts and models to what statements can reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use custos_core::{ErrorKind, Purpose};
use custos_ingest::{Contract, vault_dataset};
use custos_lake::{Lake, vault};
use custos_models::{ModelFiles, Models, Sources};
use custos_query::{Catalog, GovernedSource, View};

use crate::failure::Failure;

/// The published tables over these sources, and their tests.
pub(crate) async fn build(
    lake: &Lake,
    contracts: &[Contract],
    models: &[ModelFiles],
) -> Result<(Catalog, Models), Failure> {
    let mut catalog = Catalog::default();
    let mut notified = BTreeMap::new();
    let mut columns = Vec::new();
    for contract in contracts {
        let table = lake.table(Arc::new(contract.landing_spec()?)).await?;
        let source = GovernedSource::new(contract.dataset()?, table);
        let names = source.schema().fields().iter().map(|field| field.name().clone()).collect();
        columns.push((contract.id.clone(), names));
        notified.insert(contract.id.to_string(), contract.purposes.clone());
        catalog.sources.insert(contract.id.landing_table(), Arc::new(source));
    }
    let identifiers = lake.table(Arc::new(vault::identifiers_spec()?)).await?;
    let mut purposes: Vec<Purpose> = notified.values().flatten().cloned().collect();
    purposes.sort();
    purposes.dedup();
    let name = identifiers.name().clone();
    let vault = GovernedSource::new(vault_dataset(purposes)?, identifiers)
        .with_row_sources("source", notified);
    catalog.sources.insert(name, Arc::new(vault));
    let sources: Sources = columns.into_iter().collect();
    let models = Models::load(models, &sources).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        let text = format!("the models have {} mistake(s):\n{}", list.len(), list.join("\n"));
        Failure::new(ErrorKind::Invalid, text)
    })?;
    for model in models.ordered() {
        let view = View {
            sql: model.sql.clone(),
            views: model.views.clone(),
            tables: model.tables.clone(),
        };
        catalog.views.insert(model.name.clone(), view);
    }
    Ok((catalog, models))
}
