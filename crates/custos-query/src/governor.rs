//! From a statement to a governed plan, and from that to rows.

mod asked;
mod explain;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_consent::RowBasis;
use custos_core::{Clock, PersonMap, Purpose, TableName};
use custos_keys::KeyService;
use custos_lake::{Access, Table, vault};
use custos_policy::{Decision, DenialReason, MaintenanceJob, OutputMode, PolicySet, Principal};
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::DFSchema;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionStateDefaults};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures::{FutureExt, StreamExt, stream};
use tokio::time::sleep;

use self::asked::Asked;
use self::explain::PolicyAnswer;
use crate::limits::Meter;
use crate::mutants::{self, Mutant};
use crate::person_ids::PersonIds;
use crate::population::{Population, Visibility};
use crate::resources::{Resources, Statement as Lent};
use crate::row_bits::RowBitsCache;
use crate::row_stream::{self, Outlet, RowStream};
use crate::running::{Running, Stopping};
use crate::scan::GovernedTable;
use crate::subjects_read::SubjectsRead;
use crate::{GovernedSource, Limits, QueryError, allow, date_trunc, totals};

pub(crate) const CATALOG: &str = "custos";
pub(crate) const PUBLISHED: &str = "customer";

/// Longest statement.
const SQL_BYTES_MAX: usize = 256 * 1024;

/// A published table, defined by SQL over other tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The defining SELECT.
    pub sql: String,
    /// Published tables that it reads.
    pub views: Vec<String>,
    /// Tables of the lake that it reads.
    pub tables: Vec<TableName>,
}

/// All that statements can reach.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables of the lake; only views name them.
    pub sources: BTreeMap<TableName, Arc<GovernedSource>>,
    /// Published tables, by their name in the schema `customer`.
    pub views: BTreeMap<String, View>,
}

/// Keyed ids, and the purpose, version of persons and largest subject that they are for.
type KeptIds = ((Purpose, u64, u32), Arc<PersonIds>);

/// What all statements of a process share.
pub(crate) struct Shared {
    pub(crate) keys: Arc<KeyService>,
    pub(crate) row_bits: RowBitsCache,
    person_ids: Mutex<Option<KeptIds>>,
}

impl Shared {
    /// The keyed ids of a purpose.
    pub(crate) fn person_ids(
        &self,
        purpose: &Purpose,
        visibility: &Visibility,
        subject_max: u32,
    ) -> Arc<PersonIds> {
        let version = visibility.persons_version;
        let mut kept = self.person_ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Those for more subjects do for fewer, or two tables of a join would each make their own.
        if let Some(((of, at, up_to), ids)) = &*kept
            && (of, *at) == (purpose, version)
            && *up_to >= subject_max
        {
            return Arc::clone(ids);
        }
        let key = (purpose.clone(), version, subject_max);
        let permutation = self.keys.id_permutation(&mutants::purpose(Mutant::SharedIds, purpose));
        let persons = Arc::clone(&visibility.persons);
        let ids = Arc::new(PersonIds::new(permutation, persons, subject_max));
        *kept = Some((key, Arc::clone(&ids)));
        ids
    }
}

/// A plan whose every scan is covered by a grant.
///
/// Only [`Governor::govern`] makes one, and [`Executor::run`] takes nothing else.
///
/// ```compile_fail
/// use custos_query::Governed;
/// fn smuggle<P>(plan: P) -> Governed<P> {
///     Governed { plan }
/// }
/// ```
///
/// ```
/// use custos_query::Governed;
/// fn pass<P>(plan: Governed<P>) -> Governed<P> {
///     plan
/// }
/// ```
#[must_use = "a plan that is not run was governed for nothing"]
pub struct Governed<P> {
    plan: P,
    state: SessionState,
    lent: Lent,
    wanted: Wanted,
    subjects: Option<Arc<SubjectsRead>>,
    principal: Principal,
    purpose: Purpose,
    tables: Vec<String>,
}

/// What of a plan is wanted.
enum Wanted {
    /// Its rows.
    Rows,
    /// The plan itself.
    Plan,
    /// Why its rows would be what they would be. There is no plan then.
    Policy(PolicyAnswer),
}

impl Wanted {
    /// The name in the audit log, for what is not rows.
    const fn as_str(&self) -> Option<&'static str> {
        match self {
            Self::Rows => None,
            Self::Plan => Some("plan"),
            Self::Policy(_) => Some("policy"),
        }
    }
}

impl<P> fmt::Debug for Governed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governed")
            .field("purpose", &self.purpose)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl<P> Governed<P> {
    /// Has it recorded whose rows are read; complete once the answer is. An EXPLAIN reads none.
    pub(crate) fn record_subjects(&mut self) -> Result<Arc<SubjectsRead>, QueryError> {
        match self.wanted {
            Wanted::Rows => Ok(Arc::clone(self.subjects.get_or_insert_default())),
            Wanted::Plan | Wanted::Policy(_) => Err(QueryError::NotSelect { what: "EXPLAIN" }),
        }
    }
}

/// Turns statements into governed plans.
pub struct Governor {
    policy: Arc<PolicySet>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    resources: Resources,
    shared: Arc<Shared>,
}

impl fmt::Debug for Governor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governor").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

impl Governor {
    /// A governor over these tables under this policy, whose statements run within `limits`.
    ///
    /// A folder for temporary files that takes none is [`QueryError::SpillDisk`].
    pub fn new(
        policy: Arc<PolicySet>,
        catalog: Catalog,
        keys: Arc<KeyService>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, QueryError> {
        let resources = Resources::new(limits)?;
        let shared = Arc::new(Shared {
            keys,
            row_bits: RowBitsCache::default(),
            person_ids: Mutex::default(),
        });
        Ok(Self { policy, catalog, clock, resources, shared })
    }

    /// The published tables.
    pub fn published(&self) -> Vec<String> {
        self.catalog.views.keys().cloned().collect()
    }

    #[cfg(test)]
    pub(crate) fn source(&self, table: &TableName) -> Arc<GovernedSource> {
        Arc::clone(&self.catalog.sources[table])
    }

    /// The policy that decides.
    pub const fn policy(&self) -> &Arc<PolicySet> {
        &self.policy
    }

    /// Plans a statement for a principal and a purpose, or refuses it.
    ///
    /// It is one SELECT. `EXPLAIN` before it asks for its logical plan, a line a row in the column
    /// `plan`, which is the same whatever the tables hold. `EXPLAIN POLICY` before it asks which
    /// rules, purposes and terms decide what it sees of each table of the lake, and on which state
    /// of consent; its tables are looked up, and its expressions are not. That answer has the
    /// columns `table` (the published tables that read the source), `source`, `about` (`policy`,
    /// `decision`, `use`, `column`, `rows`, `retention`, `basis`, `purpose`, `remedy`, `epoch` or
    /// `staleness`), `item`, `says`, and `rule`, `effect` and `place` of a rule that says so, with
    /// a row for each rule; all are text, and what does not apply is NULL.
    pub async fn govern(
        &self,
        sql: &str,
        principal: &Principal,
        purpose: &Purpose,
    ) -> Result<Governed<LogicalPlan>, QueryError> {
        if sql.len() > SQL_BYTES_MAX {
            return Err(QueryError::TooComplex);
        }
        self.policy.may_use(principal, purpose).map_err(|denial| QueryError::Denied {
            purpose: purpose.clone(),
            reason: denial.reason,
        })?;
        let explained = asked::policy_of(sql);
        if explained.is_none() && self.output(purpose)? == OutputMode::Dp {
            return Err(QueryError::NoiseOnly { purpose: purpose.clone() });
        }
        let lent = self.resources.statement(&principal.id).await?;
        let outside = Schemas::new(self.config(), lent.runtime())?;
        let (wanted, plan, tables) = match explained {
            Some(sql) => {
                let statement = asked::query(&outside.state, sql)?;
                let tables = self.views_of(&outside.state, &statement)?;
                let answer = self.explain_policy(&tables, principal, purpose)?;
                (Wanted::Policy(answer), nothing(), tables)
            }
            None => {
                let (wanted, statement) = match asked::read(&outside.state, sql)? {
                    Asked::Rows(statement) => (Wanted::Rows, statement),
                    Asked::Plan(statement) => (Wanted::Plan, statement),
                };
                let (plan, tables) =
                    self.plan(statement, principal, purpose, (&lent, &outside)).await?;
                (wanted, plan, tables)
            }
        };
        Ok(Governed {
            plan,
            state: outside.state,
            lent,
            wanted,
            subjects: None,
            principal: principal.clone(),
            purpose: purpose.clone(),
            tables,
        })
    }

    /// Plans a SELECT over governed tables, and tells which published tables it reads.
    async fn plan(
        &self,
        statement: Statement,
        principal: &Principal,
        purpose: &Purpose,
        (lent, outside): (&Lent, &Schemas),
    ) -> Result<(LogicalPlan, Vec<String>), QueryError> {
        let inside = Schemas::new(self.config(), lent.runtime())?;
        let tables = self.views_of(&outside.state, &statement)?;
        self.provide(&tables, principal, purpose, &inside, outside).await?;
        let plan =
            outside.state.statement_to_plan(statement).await.map_err(QueryError::from_planning)?;
        allow::logical(&plan)?;
        let plan = match self.output(purpose)? {
            OutputMode::Row => plan,
            OutputMode::Aggregate { people_min } => {
                totals::over_people(plan, people_min, &outside.state)?
            }
            OutputMode::Dp => return Err(QueryError::NoiseOnly { purpose: purpose.clone() }),
        };
        Ok((plan, tables))
    }

    fn output(&self, purpose: &Purpose) -> Result<OutputMode, QueryError> {
        self.policy.purpose(purpose).map(|node| node.output).ok_or(QueryError::Internal)
    }

    fn config(&self) -> SessionConfig {
        let limits = self.resources.limits();
        let config = SessionConfig::new().with_batch_size(limits.batch_rows);
        let config = match limits.partitions {
            Some(partitions) => config.with_target_partitions(partitions),
            None => config,
        };
        config
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, PUBLISHED)
            .with_information_schema(false)
            .with_sort_spill_reservation_bytes(limits.sort_reservation_bytes())
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
    }

    /// The published tables that a statement reads, those below them first.
    fn views_of(
        &self,
        state: &SessionState,
        statement: &Statement,
    ) -> Result<Vec<String>, QueryError> {
        let references =
            state.resolve_table_references(statement).map_err(QueryError::from_planning)?;
        let mut ordered = Vec::new();
        for reference in references {
            let schema = reference.schema().unwrap_or(PUBLISHED);
            let catalog = reference.catalog().unwrap_or(CATALOG);
            if schema != PUBLISHED || catalog != CATALOG {
                return Err(self.unknown(&reference.to_string()));
            }
            self.collect(reference.table(), &mut ordered, 0)?;
        }
        Ok(ordered)
    }

    fn collect(
        &self,
        name: &str,
        ordered: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), QueryError> {
        if ordered.iter().any(|known| known == name) {
            return Ok(());
        }
        let view = self.catalog.views.get(name).ok_or_else(|| self.unknown(name))?;
        if depth > self.catalog.views.len() {
            return Err(QueryError::Internal);
        }
        for below in &view.views {
            self.collect(below, ordered, depth + 1)?;
        }
        ordered.push(name.to_owned());
        Ok(())
    }

    fn unknown(&self, name: &str) -> QueryError {
        QueryError::unknown_table(name, self.published())
    }

    /// Makes the governed tables and views of a statement, planned as its caller.
    async fn provide(
        &self,
        views: &[String],
        principal: &Principal,
        purpose: &Purpose,
        inside: &Schemas,
        outside: &Schemas,
    ) -> Result<(), QueryError> {
        let mut sources = BTreeSet::new();
        for name in views {
            let view = self.catalog.views.get(name).ok_or_else(|| self.unknown(name))?;
            for table in &view.tables {
                if sources.insert(table) {
                    let governed = self.governed(table, principal, purpose)?;
                    inside.add(table.as_str(), Arc::new(governed))?;
                }
            }
            let statement = asked::query(&inside.state, &view.sql)?;
            let plan = inside
                .state
                .statement_to_plan(statement)
                .await
                .map_err(QueryError::from_planning)?;
            let plan = match self.output(purpose)? {
                OutputMode::Row => plan,
                OutputMode::Aggregate { .. } | OutputMode::Dp => totals::mark(plan, name)?,
            };
            let published = Arc::new(ViewTable::new(plan, None));
            let qualified = format!("{PUBLISHED}.{name}");
            inside.add(&qualified, Arc::clone(&published) as Arc<dyn TableProvider>)?;
            outside.add(&qualified, published)?;
        }
        Ok(())
    }

    fn governed(
        &self,
        table: &TableName,
        principal: &Principal,
        purpose: &Purpose,
    ) -> Result<GovernedTable, QueryError> {
        let source = self.catalog.sources.get(table).ok_or(QueryError::Internal)?;
        let now = self.clock.now();
        let grant = match self.policy.decide(principal, purpose, source.dataset(), now) {
            Decision::Permit(grant) => Some(Arc::new(grant)),
            // Nobody was told of this purpose at that source, so for it the table has no rows.
            Decision::Deny(denial) if denial.reason == DenialReason::SourceNotNotified => None,
            Decision::Deny(denial) => {
                return Err(QueryError::Denied { purpose: purpose.clone(), reason: denial.reason });
            }
        };
        // What the law demands needs no notice at any source; `decide` says so of tables, too.
        let unlimited = grant.as_ref().is_some_and(|grant| grant.rows().basis == RowBasis::Always);
        let sources = match mutants::is_on(Mutant::SourcesIgnored) {
            true => None,
            false => {
                source.sources_for(|notified| unlimited || self.policy.covers(notified, purpose))
            }
        };
        Ok(GovernedTable::new(Arc::clone(source), grant, sources, Arc::clone(&self.shared)))
    }
}

/// The plan of what is answered without one.
fn nothing() -> LogicalPlan {
    let schema = Arc::new(DFSchema::empty());
    LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })
}

/// A session whose tables are added one by one.
struct Schemas {
    state: SessionState,
    catalog: Arc<MemoryCatalogProvider>,
}

impl Schemas {
    fn new(config: SessionConfig, runtime: &Arc<RuntimeEnv>) -> Result<Self, QueryError> {
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog
            .register_schema(PUBLISHED, Arc::new(MemorySchemaProvider::new()))
            .map_err(|_| QueryError::Internal)?;
        let list = MemoryCatalogProviderList::new();
        let _none = datafusion::catalog::CatalogProviderList::register_catalog(
            &list,
            CATALOG.to_owned(),
            Arc::clone(&catalog) as Arc<dyn CatalogProvider>,
        );
        let scalars = SessionStateDefaults::default_scalar_functions()
            .into_iter()
            .filter(|function| allow::function(function.name()))
            .map(date_trunc::replace)
            .collect();
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(runtime))
            .with_catalog_list(Arc::new(list))
            .with_scalar_functions(scalars)
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .build();
        Ok(Self { state, catalog })
    }

    fn add(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<(), QueryError> {
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

/// Runs governed plans, and nothing else.
pub struct Executor {
    population: Arc<dyn Population>,
    persons: Table,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<Visibility>>>,
    running: Running,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor")
    }
}

impl Executor {
    /// An executor that asks `population` who is visible and `persons` who is whom.
    pub fn new(
        population: Arc<dyn Population>,
        persons: Table,
        policy: Arc<PolicySet>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (current, running) = (Mutex::default(), Running::default());
        Self { population, persons, policy, audit, clock, current, running }
    }

    /// Runs a governed plan on the state of consent as of now.
    ///
    /// The intent is in the audit log before a row is read, the outcome before the stream ends. A
    /// caller who leaves, here or by dropping the stream, cancels the statement: what it holds is
    /// freed and the outcome is recorded all the same. So it is when it takes too long, be it
    /// because its rows are not fetched.
    pub async fn run(
        self: &Arc<Self>,
        governed: Governed<LogicalPlan>,
    ) -> Result<RowStream, QueryError> {
        let (mut outlet, answer) = row_stream::channel();
        let this = Arc::clone(self);
        self.running.start(|stopping| async move {
            let ended = this.recorded(governed, &mut outlet, stopping).await;
            outlet.end(ended);
        })?;
        answer.started().await
    }

    /// Stops all statements and waits until their outcomes are recorded. Those that come later
    /// are refused as [`QueryError::Stopped`].
    pub async fn close(&self) {
        self.running.close().await;
    }

    /// Records that a statement was refused before it became a plan.
    pub async fn record_refusal(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        error: &QueryError,
    ) -> Result<(), QueryError> {
        let detail = BTreeMap::from([("error".to_owned(), error.to_string())]);
        let entry = Entry {
            at: self.clock.now(),
            actor: principal.id.to_string(),
            action: Action::Query,
            object: String::new(),
            purpose: Some(purpose.clone()),
            outcome: Outcome::Refused,
            tie: None,
            detail,
        };
        self.audit.append(entry).await?;
        Ok(())
    }

    /// Answers between an intent and an outcome in the audit log.
    async fn recorded(
        &self,
        governed: Governed<LogicalPlan>,
        outlet: &mut Outlet,
        stopping: Stopping,
    ) -> Result<(), QueryError> {
        let intent = self.audit.append(self.entry(&governed, Outcome::Intent, None)).await?;
        let ended = self.answer(&governed, outlet, stopping).await;
        let outcome = if ended.is_ok() { Outcome::Done } else { Outcome::Failed };
        let mut entry = self.entry(&governed, outcome, Some(intent));
        entry.detail.insert("rows".to_owned(), outlet.rows_sent().to_string());
        if let Err(error) = &ended {
            entry.detail.insert("error".to_owned(), error.to_string());
        }
        // The rows are out; nobody but the log may be left to tell.
        self.audit.append(entry).await.inspect_err(|error| {
            tracing::error!(%error, intent, "the outcome of a statement could not be audited");
        })?;
        ended
    }

    /// Answers until the end, or until there is a reason not to. All that the statement holds is
    /// free when it returns.
    async fn answer(
        &self,
        governed: &Governed<LogicalPlan>,
        outlet: &mut Outlet,
        stopping: Stopping,
    ) -> Result<(), QueryError> {
        let abandoned = outlet.abandoned();
        tokio::select! {
            biased;
            () = abandoned => Err(QueryError::Cancelled),
            () = stopping.wait() => Err(QueryError::Stopped),
            () = sleep(governed.lent.limits().statement_time) => Err(QueryError::Timeout),
            // A panic of the engine must not keep the outcome from being recorded.
            answered = AssertUnwindSafe(self.pour(governed, outlet)).catch_unwind() => {
                answered.unwrap_or(Err(QueryError::Internal))
            }
        }
    }

    /// Computes the rows and hands them over.
    async fn pour(
        &self,
        governed: &Governed<LogicalPlan>,
        outlet: &mut Outlet,
    ) -> Result<(), QueryError> {
        let (schema, mut batches) = self.start(governed).await?;
        outlet.start(schema)?;
        let mut meter = Meter::new(governed.lent.limits());
        while let Some(batch) = batches.next().await {
            let batch =
                batch.map_err(|error| governed.lent.explain(QueryError::from_execution(error)))?;
            meter.pass(&batch)?;
            outlet.send(batch).await?;
        }
        Ok(())
    }

    async fn start(
        &self,
        governed: &Governed<LogicalPlan>,
    ) -> Result<(SchemaRef, SendableRecordBatchStream), QueryError> {
        let visibility = self.visibility().await?;
        let answer = match &governed.wanted {
            Wanted::Rows => return Self::execute(governed, visibility).await,
            Wanted::Policy(answer) => answer.at(&visibility)?,
            Wanted::Plan => {
                let plan = governed.state.optimize(&governed.plan);
                explain::plan_lines(&plan.map_err(QueryError::from_planning)?)?
            }
        };
        let schema = answer.schema();
        let rows = stream::once(async move { Ok(answer) });
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        Ok((schema, Box::pin(rows)))
    }

    async fn execute(
        governed: &Governed<LogicalPlan>,
        visibility: Arc<Visibility>,
    ) -> Result<(SchemaRef, SendableRecordBatchStream), QueryError> {
        let mut state = governed.state.clone();
        state.config_mut().set_extension(visibility);
        if let Some(subjects) = &governed.subjects {
            state.config_mut().set_extension(Arc::clone(subjects));
        }
        let plan =
            state.create_physical_plan(&governed.plan).await.map_err(QueryError::from_planning)?;
        allow::physical(&*plan)?;
        let schema = plan.schema();
        let context = state.task_ctx();
        // Another runtime would spill rows in clear.
        if !governed.lent.is_of(&context.runtime_env()) {
            return Err(QueryError::Internal);
        }
        let rows = execute_stream(plan, context).map_err(QueryError::from_execution)?;
        Ok((schema, rows))
    }

    fn entry(&self, governed: &Governed<LogicalPlan>, outcome: Outcome, tie: Option<u64>) -> Entry {
        let policy = ("policy".to_owned(), self.policy.version().to_string());
        let explains = governed.wanted.as_str();
        let explains = explains.map(|what| ("explains".to_owned(), what.to_owned()));
        Entry {
            at: self.clock.now(),
            actor: governed.principal.id.to_string(),
            action: Action::Query,
            object: governed.tables.join(" "),
            purpose: Some(governed.purpose.clone()),
            outcome,
            tie,
            detail: [policy].into_iter().chain(explains).collect(),
        }
    }

    /// Consent, erasures and persons as of now; read again only if their epochs moved.
    pub async fn visibility(&self) -> Result<Arc<Visibility>, QueryError> {
        let now = self.clock.now();
        let epochs = self.population.epochs().await?;
        let version = self.persons.snapshot().await?.version;
        let known = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = &known
            && known.is_current(epochs, version, now)
        {
            return Ok(Arc::clone(known));
        }
        let consents = match &known {
            Some(known) if known.epochs.consent == epochs.consent => known.consents(),
            _ => Arc::new(self.population.consents().await?),
        };
        let persons = match &known {
            Some(known) if known.persons_version == version => Arc::clone(&known.persons),
            _ => Arc::new(self.read_persons().await?),
        };
        let tombstones = self.population.tombstones().await?;
        let fresh =
            Arc::new(Visibility::new(epochs, (version, persons), consents, tombstones, now));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    async fn read_persons(&self) -> Result<PersonMap, QueryError> {
        let grant = self.policy.maintenance(MaintenanceJob::Resolution, self.persons.name());
        Ok(vault::read_persons(&self.persons, Access::Maintenance(&grant)).await?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
