//! From a statement to a governed plan, and from that to rows.

mod asked;
mod description;
mod executor;
mod explain;
mod parameters;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arrow::array::ArrayRef;
use custos_consent::RowBasis;
use custos_core::{Clock, PrincipalId, Purpose, TableName};
use custos_keys::KeyService;
use custos_policy::{Decision, DenialReason, OutputMode, PolicySet, Principal, ReadGrant};
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;

use self::asked::{Asked, Read};
pub use self::executor::Executor;
use self::explain::PolicyAnswer;
use self::schemas::Schemas;
use crate::answer_cache::Asking;
use crate::catalogue::{Reads, Shipped};
use crate::labels::Labels;
use crate::mutants::{self, Mutant};
use crate::others_named::OthersNamed;
use crate::person_ids::PersonIds;
use crate::population::Visibility;
use crate::resources::{Resources, Statement as Lent};
use crate::row_bits::RowBitsCache;
use crate::scan::GovernedTable;
use crate::subjects_read::SubjectsRead;
use crate::{
    ClientMemory, GovernedSource, Limits, QueryError, Question, Session, allow, complexity,
    compute, totals,
};

pub(crate) const CATALOG: &str = "custos";
pub(crate) const PUBLISHED: &str = "customer";

/// Longest statement.
const SQL_BYTES_MAX: usize = 256 * 1024;

/// How many times longer than an answer rows that are prepared may take.
const PREPARING_TIMES: u32 = 30;

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
    planned: Planned<P>,
    lent: Lent,
    /// What it asks, if the answer may be given again.
    asking: Option<Asking>,
    subjects: Option<Arc<SubjectsRead>>,
    /// What it runs on, if its rows are not for a caller.
    prepares: Option<Preparing>,
    principal: Principal,
    purpose: Purpose,
}

/// What rows that are kept are made on.
#[derive(Debug, Clone)]
pub(crate) struct Preparing {
    /// The state of consent.
    pub(crate) visibility: Arc<Visibility>,
    /// Told whether rows name others than whom they are about.
    pub(crate) others: Arc<OthersNamed>,
}

/// A plan, and what is to be done with it.
struct Planned<P = LogicalPlan> {
    plan: P,
    state: SessionState,
    wanted: Wanted,
    reads: Reads,
    /// What the columns are called, if not as the engine calls them.
    labels: Option<Labels>,
    /// The published tables that it reads.
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
            .field("tables", &self.planned.tables)
            .finish_non_exhaustive()
    }
}

impl<P> Governed<P> {
    /// Has it recorded whose rows are read; complete once the answer is. An EXPLAIN reads none.
    pub(crate) fn record_subjects(&mut self) -> Result<Arc<SubjectsRead>, QueryError> {
        match self.planned.wanted {
            Wanted::Rows => {
                // Whose rows a kept answer was made of is not known any more.
                self.asking = None;
                Ok(Arc::clone(self.subjects.get_or_insert_default()))
            }
            Wanted::Plan | Wanted::Policy(_) => Err(QueryError::NotSelect { what: "EXPLAIN" }),
        }
    }

    /// Has it run on this state of consent and without the limits of answers: for rows that are kept
    /// and that nobody gets before the state of consent as of then was asked. Somebody may wait for
    /// a statement and nobody does for this, so it takes one processor.
    pub(crate) fn prepare(&mut self, on: Preparing) {
        self.prepares = Some(on);
        // They are kept elsewhere, and their limits are others.
        self.asking = None;
        self.planned.state.config_mut().options_mut().execution.target_partitions = 1;
    }

    /// How long it may take.
    fn time(&self) -> Duration {
        let time = self.lent.limits().statement_time;
        if self.prepares.is_some() { time * PREPARING_TIMES } else { time }
    }
}

/// Turns statements into governed plans.
pub struct Governor {
    policy: Arc<PolicySet>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    resources: Resources,
    shared: Arc<Shared>,
    shipped: OnceLock<Arc<Shipped>>,
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
        let shipped = OnceLock::new();
        Ok(Self { policy, catalog, clock, resources, shared, shipped })
    }

    /// The published tables.
    pub fn published(&self) -> Vec<String> {
        self.catalog.views.keys().cloned().collect()
    }

    /// Memory for what a connection or a call of a principal sends and has kept.
    #[must_use]
    pub fn client_memory(&self, of: &PrincipalId) -> ClientMemory {
        self.resources.client_memory(of)
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
        self.govern_question(&Question::new(sql, principal, purpose)).await
    }

    /// The same of a statement with parameters, or by a connection that expects PostgreSQL.
    ///
    /// Over such a connection the dialect is PostgreSQL's and so are the names of columns, and a
    /// statement that names no table, or tables of `pg_catalog` and `information_schema` only, is
    /// answered by a catalogue of what the principal may see. Such an answer is not audited: it has
    /// nothing of anybody.
    pub async fn govern_question(
        &self,
        question: &Question<'_>,
    ) -> Result<Governed<LogicalPlan>, QueryError> {
        self.resources.count(&question.principal.id)?;
        let explained = self.admit(question)?;
        let lent = self.resources.statement(&question.principal.id).await?;
        let planned = self.plan_with(explained, question, &lent);
        let planned = compute::aside(planned, lent.computes_for()).await?;
        let asking = match (&planned.wanted, planned.reads) {
            (Wanted::Rows, Reads::Published) => Asking::of(question, &planned.plan),
            _ => None,
        };
        Ok(Governed {
            planned,
            lent,
            asking,
            subjects: None,
            prepares: None,
            principal: question.principal.clone(),
            purpose: question.purpose.clone(),
        })
    }

    /// Refuses whoever may not act for the purpose. Returns the SELECT that an `EXPLAIN POLICY` is
    /// of.
    fn admit<'a>(&self, question: &Question<'a>) -> Result<Option<&'a str>, QueryError> {
        let purpose = question.purpose;
        if question.sql.len() > SQL_BYTES_MAX {
            return Err(QueryError::TooComplex);
        }
        complexity::check(question.sql, question.session.is_some())?;
        self.policy.may_use(question.principal, purpose).map_err(|denial| QueryError::Denied {
            purpose: purpose.clone(),
            reason: denial.reason,
        })?;
        let explained = asked::policy_of(question.sql);
        if explained.is_none() && self.output(purpose)? == OutputMode::Dp {
            return Err(QueryError::NoiseOnly { purpose: purpose.clone() });
        }
        Ok(explained)
    }

    async fn plan_with(
        &self,
        explained: Option<&str>,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<Planned, QueryError> {
        if let Some(sql) = explained {
            return self.plan_explanation(sql, question, lent);
        }
        let planned = self.plan(question, lent).await?;
        let plan = bind(planned.plan, question.parameters)?;
        allow::logical(&plan, planned.reads)?;
        let plan = match planned.reads {
            Reads::Published => self.as_output(plan, &planned.state, question.purpose)?,
            Reads::Catalogue => plan,
        };
        Ok(Planned { plan, ..planned })
    }

    fn plan_explanation(
        &self,
        sql: &str,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<Planned, QueryError> {
        let outside = self.schemas(question, lent)?;
        let statement = asked::query(&outside.state, sql)?;
        let tables = self.views_of(&outside.state, &statement, question.session)?;
        let answer = self.explain_policy(&tables, question.principal, question.purpose)?;
        Ok(Planned {
            plan: nothing(),
            state: outside.state,
            wanted: Wanted::Policy(answer),
            reads: Reads::Published,
            labels: None,
            tables,
        })
    }

    /// Plans a SELECT, whose parameters have no values yet.
    async fn plan(&self, question: &Question<'_>, lent: &Lent) -> Result<Planned, QueryError> {
        let outside = self.schemas(question, lent)?;
        let read = Read::of(question, &outside.state)?;
        self.plan_read(read, question, lent, outside).await
    }

    async fn plan_read(
        &self,
        read: Read,
        question: &Question<'_>,
        lent: &Lent,
        outside: Schemas,
    ) -> Result<Planned, QueryError> {
        let Read { asked, lenient, reads, labels, is_empty, arrays: _ } = read;
        let (statement, wanted) = match asked {
            Asked::Rows(statement) => (statement, Wanted::Rows),
            Asked::Plan(statement) => (statement, Wanted::Plan),
        };
        let (state, tables) = match (reads, question.session) {
            (Reads::Catalogue, Some(session)) => {
                (self.catalogue_state(session, question, lent).await?, Vec::new())
            }
            _ => {
                let inside = self.schemas(question, lent)?;
                let tables = self.views_of(&outside.state, &statement, question.session)?;
                let (principal, purpose) = (question.principal, question.purpose);
                self.provide(&tables, principal, purpose, &inside, &outside).await?;
                (outside.state, tables)
            }
        };
        let planned = state.statement_to_plan(statement).await;
        let planned = match (reads, &labels) {
            // What cannot be planned and has no rows need not be planned.
            (Reads::Catalogue, Some(labels)) if is_empty => {
                planned.and_then(|plan| state.optimize(&plan)).or_else(|_| labels.nothing())
            }
            (Reads::Catalogue, _) => match lenient {
                Some(lenient) if !planned.as_ref().is_ok_and(|plan| can_run(plan, &state)) => {
                    state.statement_to_plan(lenient).await
                }
                _ => planned,
            },
            _ => planned,
        };
        let plan = planned.map_err(|error| QueryError::from_planning(&error))?;
        Ok(Planned { plan, state, wanted, reads, labels, tables })
    }

    /// What of an answer the purpose may see.
    fn as_output(
        &self,
        plan: LogicalPlan,
        state: &SessionState,
        purpose: &Purpose,
    ) -> Result<LogicalPlan, QueryError> {
        match self.output(purpose)? {
            OutputMode::Row => Ok(plan),
            OutputMode::Aggregate { people_min } => totals::over_people(plan, people_min, state),
            OutputMode::Dp => Err(QueryError::NoiseOnly { purpose: purpose.clone() }),
        }
    }

    fn output(&self, purpose: &Purpose) -> Result<OutputMode, QueryError> {
        self.policy.purpose(purpose).map(|node| node.output).ok_or(QueryError::Internal)
    }

    /// A session without tables.
    fn schemas(&self, question: &Question<'_>, lent: &Lent) -> Result<Schemas, QueryError> {
        let database = question.session.map(|session| session.database.as_str());
        let (config, now) = (self.config(question.session), self.clock.now());
        Schemas::new(config, lent.runtime(), database, now)
    }

    fn config(&self, session: Option<&Session>) -> SessionConfig {
        let limits = self.resources.limits();
        let config = SessionConfig::new().with_batch_size(limits.batch_rows);
        let config = match limits.partitions {
            Some(partitions) => config.with_target_partitions(partitions),
            None => config,
        };
        let config = config
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, PUBLISHED)
            .with_information_schema(false)
            .with_sort_spill_reservation_bytes(limits.sort_reservation_bytes())
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
        match session {
            None => config,
            Some(session) => config
                .set_str("datafusion.sql_parser.dialect", "postgresql")
                .set_str("datafusion.execution.time_zone", session.time_zone()),
        }
    }

    /// The published tables that a statement reads, those below them first.
    fn views_of(
        &self,
        state: &SessionState,
        statement: &Statement,
        session: Option<&Session>,
    ) -> Result<Vec<String>, QueryError> {
        let database = session.map_or(CATALOG, |session| session.database.as_str());
        let references = state
            .resolve_table_references(statement)
            .map_err(|error| QueryError::from_planning(&error))?;
        let mut ordered = Vec::new();
        for reference in references {
            let schema = reference.schema().unwrap_or(PUBLISHED);
            let catalog = reference.catalog().unwrap_or(database);
            if catalog != database && session.is_some() {
                return Err(QueryError::OtherDatabase);
            }
            if schema != PUBLISHED || ![database, CATALOG].contains(&catalog) {
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
                .map_err(|error| QueryError::from_planning(&error))?;
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
        let seen = self.source_seen(table, principal, purpose)?;
        let grant = seen.grant.map(Arc::new);
        Ok(GovernedTable::new(seen.source, grant, seen.sources, Arc::clone(&self.shared)))
    }

    /// Decides what a principal sees of a table of the lake.
    pub(crate) fn source_seen(
        &self,
        table: &TableName,
        principal: &Principal,
        purpose: &Purpose,
    ) -> Result<SourceSeen, QueryError> {
        let source = self.catalog.sources.get(table).ok_or(QueryError::Internal)?;
        let now = self.clock.now();
        let grant = match self.policy.decide(principal, purpose, source.dataset(), now) {
            Decision::Permit(grant) => Some(grant),
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
        Ok(SourceSeen { source: Arc::clone(source), grant, sources })
    }

    /// The newest version of a table of the lake.
    pub(crate) async fn version_of(&self, table: &TableName) -> Result<u64, QueryError> {
        let source = self.catalog.sources.get(table).ok_or(QueryError::Internal)?;
        Ok(source.table().snapshot().await?.version)
    }

    /// Whether there is a published table of this name.
    pub(crate) fn publishes(&self, view: &str) -> bool {
        self.catalog.views.contains_key(view)
    }

    /// Refuses whoever may not act for the purpose, and purposes that may see totals only.
    pub(crate) fn admit_to_rows(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        why: &str,
    ) -> Result<(), QueryError> {
        self.admit(&Question::new("", principal, purpose))?;
        match self.output(purpose)? {
            OutputMode::Row => Ok(()),
            OutputMode::Aggregate { people_min } => {
                Err(QueryError::TotalsOnly { people_min, why: why.to_owned() })
            }
            OutputMode::Dp => Err(QueryError::NoiseOnly { purpose: purpose.clone() }),
        }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) const fn resources(&self) -> &Resources {
        &self.resources
    }
}

/// What a principal sees of a table of the lake; without a grant, no row.
pub(crate) struct SourceSeen {
    pub(crate) source: Arc<GovernedSource>,
    pub(crate) grant: Option<ReadGrant>,
    /// The column that names a row's source, and the sources that the purpose may show.
    pub(crate) sources: Option<(usize, BTreeSet<String>)>,
}

/// The plan with these values for its parameters.
fn bind(plan: LogicalPlan, parameters: &[ArrayRef]) -> Result<LogicalPlan, QueryError> {
    let names = plan.get_parameter_names().map_err(|error| QueryError::from_planning(&error))?;
    for name in &names {
        let number = name.trim_start_matches('$').parse().unwrap_or(usize::MAX);
        if number == 0 || number > parameters.len() {
            return Err(QueryError::NoParameter { number });
        }
    }
    if names.is_empty() {
        return Ok(plan);
    }
    let values = parameters.iter().map(|value| ScalarValue::try_from_array(value, 0));
    let values = values.collect::<Result<Vec<_>, _>>().map_err(|_| QueryError::Internal)?;
    plan.with_param_values(values).map_err(|error| QueryError::from_planning(&error))
}

/// The plan of what is answered without one.
/// Whether the engine can run a plan: subqueries that turn on the rows around them became joins.
fn can_run(plan: &LogicalPlan, state: &SessionState) -> bool {
    let Ok(plan) = state.optimize(plan) else { return false };
    let turns = |expr: &Expr| match expr {
        Expr::OuterReferenceColumn(..) => Ok(TreeNodeRecursion::Stop),
        _ => Ok(TreeNodeRecursion::Continue),
    };
    let found = plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(turns)));
    found.is_ok_and(|found| found != TreeNodeRecursion::Stop)
}

fn nothing() -> LogicalPlan {
    let schema = Arc::new(DFSchema::empty());
    LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })
}

#[cfg(test)]
pub(crate) mod tests;
