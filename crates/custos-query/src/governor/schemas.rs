//! Sessions of the engine, in which statements are planned.

use std::sync::Arc;

use chrono::DateTime;
use custos_core::Timestamp;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use super::{CATALOG, PUBLISHED};
use crate::catalogue::PostgresTypes;
use crate::{QueryError, array_agg, postgres_functions, scalar_functions};

/// A session whose tables are added one by one.
pub(super) struct Schemas {
    pub(super) state: SessionState,
    pub(super) catalog: Arc<MemoryCatalogProvider>,
}

impl Schemas {
    /// One whose tables can also be named with this database, and for which it is `now`.
    pub(super) fn new(
        config: SessionConfig,
        runtime: &Arc<RuntimeEnv>,
        database: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, QueryError> {
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog
            .register_schema(PUBLISHED, Arc::new(MemorySchemaProvider::new()))
            .map_err(|_| QueryError::Internal)?;
        let list = MemoryCatalogProviderList::new();
        for name in [Some(CATALOG), database].into_iter().flatten() {
            let catalog = Arc::clone(&catalog) as Arc<dyn CatalogProvider>;
            let _none = list.register_catalog(name.to_owned(), catalog);
        }
        let builder = match database {
            Some(_) => SessionStateBuilder::new().with_type_planner(Arc::new(PostgresTypes)),
            None => SessionStateBuilder::new(),
        };
        let mut state = builder
            .with_config(config)
            .with_runtime_env(Arc::clone(runtime))
            .with_catalog_list(Arc::new(list))
            .with_scalar_functions(scalar_functions::of_engine())
            .with_aggregate_functions(
                SessionStateDefaults::default_aggregate_functions()
                    .into_iter()
                    .map(array_agg::replace)
                    .collect(),
            )
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_expr_planners(postgres_functions::expr_planners())
            .build();
        // One moment for all that a statement says of the time.
        let now = DateTime::from_timestamp_micros(now.micros());
        state.execution_props_mut().query_execution_start_time = now;
        Ok(Self { state, catalog })
    }

    /// Adds a table, whose name has a schema before it.
    pub(super) fn add(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<(), QueryError> {
        let (schema, name) = name.split_once('.').ok_or(QueryError::Internal)?;
        let provider = match self.catalog.schema(schema) {
            Some(provider) => provider,
            None => {
                let provider = Arc::new(MemorySchemaProvider::new());
                self.catalog
                    .register_schema(schema, Arc::clone(&provider) as Arc<dyn SchemaProvider>)
                    .map_err(|_| QueryError::Internal)?;
                provider
            }
        };
        provider.register_table(name.to_owned(), table).map_err(|_| QueryError::Internal)?;
        Ok(())
    }
}
