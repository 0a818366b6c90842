//! The system catalogue that clients of PostgreSQL read before they read anything else.
//!
//! It is told from the published tables that a principal may see for a purpose, and from nothing
//! else: no row of the lake is in reach of a statement that reads it, and a statement that reads
//! published tables cannot read it. What is the same everywhere (types, functions, operators) comes
//! from `datafusion-pg-catalog`, the shapes of all relations from `shapes.txt`.

mod clients;
mod functions;
mod information;
mod objects;
mod relation;
mod relations;
mod rewrite;
mod shape;
mod type_planner;
mod types;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::generate_series_arg_coercion::CoerceIntArgsToBigInt;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use tokio::sync::OnceCell;

pub(crate) use self::clients::plain;
use self::objects::Objects;
pub(crate) use self::rewrite::{adapt, call, is_empty};
use self::shape::{INFORMATION_SCHEMA, PG_CATALOG};
pub(crate) use self::type_planner::PostgresTypes;
use crate::governor::PUBLISHED;
use crate::{QueryError, Session, postgres_functions, scalar_functions};

/// Functions that stand where tables do and read nothing.
const TABLE_FUNCTIONS: [&str; 5] =
    ["generate_series", "range", "unnest", "pg_get_keywords", "generate_subscripts"];

/// Relations whose rows PostgreSQL ships, the same everywhere.
const SHIPPED: [&str; 18] = [
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_proc",
    "pg_range",
    "pg_tablespace",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_type",
];

type Lists = PgCatalogSchemaProvider<Arc<dyn CatalogProviderList>, EmptyContextProvider>;

/// What a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Published tables only.
    Published,
    /// The system catalogue, or no table at all.
    Catalogue,
}

impl Reads {
    /// What these tables are. Some of each kind is [`QueryError::Mixed`].
    pub(crate) fn of(tables: &[TableReference]) -> Result<Self, QueryError> {
        let named = tables.iter().filter(|table| !is_function(table));
        let (system, published): (Vec<_>, Vec<_>) = named.partition(|table| is_system(table));
        match (system.is_empty(), published.is_empty()) {
            (_, true) => Ok(Self::Catalogue),
            (true, false) => Ok(Self::Published),
            (false, false) => Err(QueryError::Mixed),
        }
    }
}

fn is_function(table: &TableReference) -> bool {
    table.schema().is_none_or(|schema| schema == PG_CATALOG)
        && TABLE_FUNCTIONS.contains(&table.table())
}

fn is_system(table: &TableReference) -> bool {
    match table.schema() {
        Some(schema) => schema == PG_CATALOG || schema == INFORMATION_SCHEMA,
        // Those that are not there are functions, or nothing of ours.
        None => table.table().starts_with("pg_"),
    }
}

/// Relations that are the same for everybody, read from the program once.
#[derive(Debug)]
pub(crate) struct Shipped {
    lists: Lists,
    keywords: Arc<PgCatalogStaticTables>,
    tables: Mutex<HashMap<String, Arc<dyn TableProvider>>>,
    types: OnceCell<HashMap<String, i32>>,
}

/// Numbers of objects by their names.
fn names(rows: &RecordBatch, column: &str) -> Result<HashMap<String, i32>, QueryError> {
    let of = |name, to| {
        let column = rows.column_by_name(name).ok_or(QueryError::Internal)?;
        cast(column, &to).map_err(|_| QueryError::Internal)
    };
    let (numbers, names) = (of("oid", DataType::Int32)?, of(column, DataType::Utf8)?);
    let pairs = names.as_string::<i32>().iter().zip(numbers.as_primitive::<Int32Type>());
    let mut found = HashMap::new();
    for (name, number) in pairs {
        if let (Some(name), Some(number)) = (name, number) {
            found.entry(name.to_owned()).or_insert(number);
        }
    }
    Ok(found)
}

impl Shipped {
    pub(crate) fn new() -> Result<Self, QueryError> {
        let keywords =
            Arc::new(PgCatalogStaticTables::try_new().map_err(|_| QueryError::Internal)?);
        let none: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
        let lists =
            PgCatalogSchemaProvider::try_new(none, Arc::clone(&keywords), EmptyContextProvider)
                .map_err(|_| QueryError::Internal)?;
        let (tables, types) = (Mutex::default(), OnceCell::new());
        Ok(Self { lists, keywords, tables, types })
    }

    /// The numbers of types, by their names.
    async fn types(&self) -> Result<&HashMap<String, i32>, QueryError> {
        self.types
            .get_or_try_init(|| async { names(&self.rows("pg_type").await?, "typname") })
            .await
    }

    async fn table(&self, shape: &shape::Shape) -> Result<Arc<dyn TableProvider>, QueryError> {
        let known =
            self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(shape.name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let rows = relation::conform(shape, &self.rows(shape.name).await?)?;
        let table = relation::table(rows)?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(tables.entry(shape.name.to_owned()).or_insert(table)))
    }

    async fn rows(&self, name: &str) -> Result<RecordBatch, QueryError> {
        let internal = |_| QueryError::Internal;
        let listed = self.lists.build_table_by_name(name).map_err(internal)?;
        let table = listed.ok_or(QueryError::Internal)?.try_into_table_provider();
        let context = SessionContext::new_with_state(SessionStateBuilder::new().build());
        let frame = context.read_table(table.map_err(internal)?).map_err(internal)?;
        let batches = frame.collect().await.map_err(internal)?;
        let schema = batches.first().map(RecordBatch::schema).ok_or(QueryError::Internal)?;
        concat_batches(&schema, &batches).map_err(|_| QueryError::Internal)
    }
}

/// What one principal may see for one purpose, as PostgreSQL would describe it.
#[derive(Debug)]
pub(crate) struct Catalogue {
    objects: Objects,
}

impl Catalogue {
    /// The catalogue of these published tables.
    pub(crate) fn new(tables: Vec<(String, SchemaRef)>) -> Self {
        Self { objects: Objects::new(tables) }
    }

    /// A session of the engine in which the catalogue, and nothing else, can be read.
    pub(crate) async fn state(
        self: &Arc<Self>,
        session: &Session,
        shipped: &Arc<Shipped>,
        config: SessionConfig,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<SessionState, QueryError> {
        let internal = |_: DataFusionError| QueryError::Internal;
        let facts = Arc::new(Facts::new(session, &self.objects));
        let database = Arc::new(MemoryCatalogProvider::new());
        for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
            let provider = System {
                schema,
                catalogue: Arc::clone(self),
                shipped: Arc::clone(shipped),
                facts: Arc::clone(&facts),
            };
            database.register_schema(schema, Arc::new(provider)).map_err(internal)?;
        }
        database
            .register_schema(PUBLISHED, Arc::new(MemorySchemaProvider::new()))
            .map_err(internal)?;
        let list = MemoryCatalogProviderList::new();
        let _none = list.register_catalog(session.database.clone(), database);
        let own = functions::all(&facts, self, shipped.types().await?);
        let replaced: Vec<&str> = own.iter().map(|function| function.name()).collect();
        let engine = scalar_functions::of_engine()
            .into_iter()
            .filter(|function| !replaced.contains(&function.name()))
            .collect::<Vec<_>>();
        let state = SessionStateBuilder::new()
            .with_config(config.with_default_catalog_and_schema(&session.database, PUBLISHED))
            .with_runtime_env(Arc::clone(runtime))
            .with_catalog_list(Arc::new(list))
            .with_scalar_functions(engine.into_iter().chain(own.iter().cloned()).collect())
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_expr_planners(postgres_functions::expr_planners())
            .with_table_function_list(SessionStateDefaults::default_table_functions())
            .with_type_planner(Arc::new(PostgresTypes))
            .build();
        let context = SessionContext::new_with_state(state);
        let keywords = Arc::clone(&shipped.keywords.pg_get_keywords);
        context.register_udtf("pg_get_keywords", keywords);
        CoerceIntArgsToBigInt::widen(&context);
        Ok(context.state())
    }
}

/// What a session tells the relations of its catalogue.
#[derive(Debug)]
struct Facts {
    database: String,
    user: String,
    databases: Vec<String>,
    settings: Vec<(String, String)>,
    pid: i32,
}

impl Facts {
    fn new(session: &Session, _objects: &Objects) -> Self {
        let mut databases = session.databases.clone();
        if !databases.contains(&session.database) {
            databases.push(session.database.clone());
        }
        let settings = session.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            database: session.database.clone(),
            user: session.user.clone(),
            databases,
            settings: settings.collect(),
            pid: session.pid,
        }
    }
}

/// A schema of the catalogue, whose relations are made when they are read.
#[derive(Debug)]
struct System {
    schema: &'static str,
    catalogue: Arc<Catalogue>,
    shipped: Arc<Shipped>,
    facts: Arc<Facts>,
}

impl System {
    async fn relation(&self, shape: &shape::Shape) -> Result<Arc<dyn TableProvider>, QueryError> {
        if self.schema == PG_CATALOG && SHIPPED.contains(&shape.name) {
            return self.shipped.table(shape).await;
        }
        let objects = &self.catalogue.objects;
        let rows = match self.schema {
            PG_CATALOG => relations::rows(shape, objects, &self.facts)?,
            _ => information::rows(shape, objects, &self.facts)?,
        };
        relation::table(rows)
    }
}

#[async_trait]
impl SchemaProvider for System {
    fn table_names(&self) -> Vec<String> {
        let shapes = shape::all().iter().filter(|shape| shape.schema == self.schema);
        shapes.map(|shape| shape.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match shape::find(self.schema, name) {
            Some(shape) => self.relation(shape).await.map(Some).map_err(QueryError::into_engine),
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        shape::find(self.schema, name).is_some()
    }
}

#[cfg(test)]
mod tests;
