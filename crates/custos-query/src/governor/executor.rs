//! Runs governed plans.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_consent::Ages;
use custos_core::{Clock, PersonMap, Purpose, Rid};
use custos_lake::{Access, Table, vault};
use custos_policy::{MaintenanceJob, PolicySet, Principal};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, TryFutureExt, future, stream};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::Instrument;

use super::{Governed, Wanted, explain};
use crate::answer_cache::{AnswerCache, Grounds, TablesRead};
use crate::catalogue::Reads;
use crate::gathered::Gathered;
use crate::interrupt::Over;
use crate::limits::Meter;
use crate::population::{Consents, Epochs, Population, Visibility};
use crate::row_stream::{self, Outlet, RowStream};
use crate::running::{Running, Stopping};
use crate::{QueryError, Tally, allow, kept_text};

/// Runs governed plans, and nothing else.
pub struct Executor {
    population: Arc<dyn Population>,
    persons: Table,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Current>>,
    people: tokio::sync::Mutex<Option<People>>,
    running: Running,
    tally: Tally,
    answers: OnceLock<Arc<AnswerCache>>,
}

/// The last state of consent that was read.
#[derive(Debug, Clone)]
struct Current {
    visibility: Arc<Visibility>,
    consents: Consents,
    ages: Option<Arc<Ages>>,
}

/// Who is whom, and when it was last seen to be so.
struct People {
    checked: Instant,
    version: u64,
    persons: Arc<PersonMap>,
}

/// How old the knowledge of who is whom may be where people are looked up one by one.
const PERSONS_AGE_MAX: Duration = Duration::from_millis(250);

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
        let (current, people) = (Mutex::default(), tokio::sync::Mutex::default());
        let (running, tally, answers) = (Running::default(), Tally::default(), OnceLock::new());
        Self { population, persons, policy, audit, clock, current, people, running, tally, answers }
    }

    /// Runs a governed plan on the state of consent as of now.
    ///
    /// The intent is in the audit log before a row is given out, the outcome before the stream ends. A
    /// caller who leaves, here or by dropping the stream, cancels the statement: what it holds is
    /// freed and the outcome is recorded all the same. So it is when it takes too long, be it
    /// because its rows are not fetched.
    pub async fn run(
        self: &Arc<Self>,
        governed: Governed<LogicalPlan>,
    ) -> Result<RowStream, QueryError> {
        let (mut outlet, answer) = row_stream::channel();
        let this = Arc::clone(self);
        let tables = governed.planned.tables.join(" ");
        let span = tracing::info_span!("statement", purpose = %governed.purpose, tables);
        let account = Arc::clone(governed.lent.computes_for());
        self.running.start(&account, |stopping| {
            let statement = async move {
                let recorded = this.recorded(governed, &mut outlet, stopping);
                let ended = this.tally.measure(recorded).await;
                outlet.end(ended);
            };
            statement.instrument(span)
        })?;
        answer.started().await
    }

    /// How many answers are kept.
    #[cfg(test)]
    pub(crate) fn answers_kept(&self) -> usize {
        self.answers.get().map_or(0, |answers| answers.len())
    }

    /// How many statements there are, and how they ended.
    pub const fn tally(&self) -> &Tally {
        &self.tally
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
        self.tally.refused(error);
        // Nothing was asked of the policies, and a flood is not to fill the log.
        if matches!(error, QueryError::TooFast { .. }) {
            return Ok(());
        }
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
        // The catalogue has nothing of anybody.
        if governed.planned.reads == Reads::Catalogue {
            let nothing_to_record = future::ready(Ok(()));
            return self.answer(&governed, outlet, stopping, nothing_to_record).await;
        }
        let (intended, is_intended) = oneshot::channel();
        let intent = async {
            let index = self.audit.append(self.entry(&governed, Outcome::Intent, None)).await?;
            // A statement that has ended already does not need to know.
            let _unheard = intended.send(());
            Ok::<_, QueryError>(index)
        };
        let is_intended = is_intended.map_err(|_| QueryError::Internal);
        // Rows are computed while the intent becomes durable, and held back until it is.
        let answered = self.answer(&governed, outlet, stopping, is_intended);
        let (intent, ended) = tokio::join!(intent, answered);
        let intent = intent?;
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
        is_intended: impl Future<Output = Result<(), QueryError>>,
    ) -> Result<(), QueryError> {
        let abandoned = outlet.abandoned();
        tokio::select! {
            biased;
            () = abandoned => Err(QueryError::Cancelled),
            () = stopping.wait() => Err(QueryError::Stopped),
            () = sleep(governed.time()) => Err(QueryError::Timeout),
            // A panic of the engine must not keep the outcome from being recorded.
            answered = AssertUnwindSafe(self.pour(governed, outlet, is_intended)).catch_unwind() => {
                answered.unwrap_or(Err(QueryError::Internal))
            }
        }
    }

    /// Computes the rows and hands them over once that is recorded.
    async fn pour(
        &self,
        governed: &Governed<LogicalPlan>,
        outlet: &mut Outlet,
        is_intended: impl Future<Output = Result<(), QueryError>>,
    ) -> Result<(), QueryError> {
        let over = outlet.over().clone();
        let mut is_intended = pin!(is_intended);
        let (schema, batches) = self.start(governed, &over).await?;
        let mut batches = Gathered::new(batches);
        let first = {
            let mut first = pin!(batches.next());
            let came = tokio::select! {
                biased;
                intended = &mut is_intended => intended.map(|()| None)?,
                first = &mut first => {
                    is_intended.await?;
                    Some(first)
                }
            };
            outlet.start(match &governed.planned.labels {
                Some(labels) => labels.rename(&schema),
                None => schema,
            })?;
            match came {
                Some(first) => first,
                None => first.await,
            }
        };
        let mut meter = match &governed.prepares {
            Some(_) => Meter::unlimited(),
            None => Meter::new(governed.lent.limits()),
        };
        let mut next = first;
        while let Some(batch) = next {
            let batch =
                batch.map_err(|error| governed.lent.explain(QueryError::from_execution(&error)))?;
            meter.pass(&batch)?;
            outlet.send(batch).await?;
            next = batches.next().await;
        }
        Ok(())
    }

    async fn start(
        &self,
        governed: &Governed<LogicalPlan>,
        over: &Over,
    ) -> Result<(SchemaRef, SendableRecordBatchStream), QueryError> {
        if governed.planned.reads == Reads::Catalogue {
            let state = &governed.planned.state;
            let plan = Self::physical(governed, state, over).await?;
            return Self::execute(governed, plan, state);
        }
        let visibility = match &governed.prepares {
            Some(preparing) => Arc::clone(&preparing.visibility),
            None => self.visibility().await?,
        };
        let answer = match &governed.planned.wanted {
            Wanted::Rows => {
                let mut state = governed.planned.state.clone();
                let tables = Arc::<TablesRead>::default();
                state.config_mut().set_extension(Arc::clone(&visibility));
                state.config_mut().set_extension(Arc::clone(&tables));
                if let Some(subjects) = &governed.subjects {
                    state.config_mut().set_extension(Arc::clone(subjects));
                }
                if let Some(preparing) = &governed.prepares {
                    state.config_mut().set_extension(Arc::clone(&preparing.others));
                }
                let plan = Self::physical(governed, &state, over).await?;
                let Some(asking) = governed.asking.clone() else {
                    return Self::execute(governed, plan, &state);
                };
                let cache = self.answers.get_or_init(|| {
                    Arc::new(AnswerCache::new(governed.lent.limits().kept_answers_bytes))
                });
                let grounds = Grounds::new(asking, &tables, &visibility);
                if let Some(answer) = cache.find(&grounds) {
                    let schema = Arc::clone(&answer.schema);
                    let batches: Vec<_> = answer.batches.iter().cloned().map(Ok).collect();
                    let rows = RecordBatchStreamAdapter::new(answer.schema, stream::iter(batches));
                    return Ok((schema, Box::pin(rows)));
                }
                let (schema, rows) = Self::execute(governed, plan, &state)?;
                return Ok((schema, cache.keeping(grounds, rows)));
            }
            Wanted::Policy(answer) => answer.at(&visibility)?,
            Wanted::Plan => {
                let plan = governed.planned.state.optimize(&governed.planned.plan);
                explain::plan_lines(&plan.map_err(|error| QueryError::from_planning(&error))?)?
            }
        };
        let schema = answer.schema();
        let rows = stream::once(async move { Ok(answer) });
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        Ok((schema, Box::pin(rows)))
    }

    async fn physical(
        governed: &Governed<LogicalPlan>,
        state: &SessionState,
        over: &Over,
    ) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
        let plan = state
            .create_physical_plan(&governed.planned.plan)
            .await
            .map_err(|error| QueryError::from_planning(&error))?;
        allow::physical(&*plan, governed.planned.reads)?;
        let plan = kept_text::counted(plan).map_err(|error| QueryError::from_planning(&error))?;
        over.interrupts(plan, governed.time()).map_err(|error| QueryError::from_planning(&error))
    }

    fn execute(
        governed: &Governed<LogicalPlan>,
        plan: Arc<dyn ExecutionPlan>,
        state: &SessionState,
    ) -> Result<(SchemaRef, SendableRecordBatchStream), QueryError> {
        let schema = plan.schema();
        let context = state.task_ctx();
        // Another runtime would spill rows in clear.
        if !governed.lent.is_of(&context.runtime_env()) {
            return Err(QueryError::Internal);
        }
        let rows =
            execute_stream(plan, context).map_err(|error| QueryError::from_execution(&error))?;
        Ok((schema, rows))
    }

    fn entry(&self, governed: &Governed<LogicalPlan>, outcome: Outcome, tie: Option<u64>) -> Entry {
        let policy = ("policy".to_owned(), self.policy.version().to_string());
        let explains = governed.planned.wanted.as_str();
        let explains = explains.map(|what| ("explains".to_owned(), what.to_owned()));
        // Rows that are kept in readiness; who gets them is recorded then.
        let prepares = governed.prepares.as_ref();
        let prepares = prepares.map(|_| ("prepares".to_owned(), "profiles".to_owned()));
        Entry {
            at: self.clock.now(),
            actor: governed.principal.id.to_string(),
            action: Action::Query,
            object: governed.planned.tables.join(" "),
            purpose: Some(governed.purpose.clone()),
            outcome,
            tie,
            detail: [policy].into_iter().chain(explains).chain(prepares).collect(),
        }
    }

    /// Consent, erasures and persons as of now; read again only if their epochs moved.
    pub async fn visibility(&self) -> Result<Arc<Visibility>, QueryError> {
        let now = self.clock.now();
        let epochs = self.population.epochs().await?;
        let (version, persons) = self.persons(Duration::ZERO).await?;
        let known = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = &known
            && known.visibility.is_current(epochs, version, now)
        {
            return Ok(Arc::clone(&known.visibility));
        }
        let ages = match &known {
            Some(known) if known.visibility.epochs.ages == epochs.ages => known.ages.clone(),
            _ => match self.policy.age_rules() {
                Some(rules) => Some(Arc::new(Ages::new(&self.population.ages().await?, &rules))),
                None => None,
            },
        };
        let consents = match known {
            Some(known) if known.visibility.epochs.consent == epochs.consent => known.consents,
            Some(known) if known.visibility.epochs.suppression == epochs.suppression => {
                self.population.consents_beyond(Some(&known.consents)).await?
            }
            _ => self.population.consents_beyond(None).await?,
        };
        let tombstones = self.population.tombstones().await?;
        let (book, of_ages) = (Arc::clone(&consents.book), ages.clone());
        let visibility =
            Visibility::new(epochs, (version, persons), (book, of_ages), tombstones, now);
        let visibility = Arc::new(visibility);
        let fresh = Current { visibility: Arc::clone(&visibility), consents, ages };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(visibility)
    }

    /// The same of the people of these subjects alone, read anew each time. Who is whom is as of
    /// a quarter of a second ago at most.
    pub(crate) async fn visibility_of(&self, subjects: &[Rid]) -> Result<Visibility, QueryError> {
        let now = self.clock.now();
        let (version, persons) = self.persons(PERSONS_AGE_MAX).await?;
        let people: BTreeSet<_> = subjects.iter().map(|&rid| persons.person_of(rid)).collect();
        let members: Vec<Rid> =
            people.into_iter().flat_map(|person| persons.members(person)).collect();
        let known = self.population.of_subjects(&members).await?;
        let rules = self.policy.age_rules();
        let ages = rules.map(|rules| Arc::new(Ages::new(&known.ages, &rules)));
        let said = (Arc::new(known.consents), ages);
        let (epochs, persons) = (Epochs::default(), (version, persons));
        Ok(Visibility::new(epochs, persons, said, known.tombstones, now))
    }

    /// The present epochs of the control store, and the version of who is whom.
    pub(crate) async fn epochs(&self) -> Result<(Epochs, u64), QueryError> {
        let epochs = self.population.epochs().await?;
        Ok((epochs, self.persons.snapshot().await?.version))
    }

    /// Who is whom, as of `age_max` ago at most. One who finds it out does so for all who wait.
    async fn persons(&self, age_max: Duration) -> Result<(u64, Arc<PersonMap>), QueryError> {
        let mut people = self.people.lock().await;
        if let Some(known) = &*people
            && known.checked.elapsed() < age_max
        {
            return Ok((known.version, Arc::clone(&known.persons)));
        }
        let checked = Instant::now();
        let version = self.persons.snapshot().await?.version;
        let persons = match &*people {
            Some(known) if known.version == version => Arc::clone(&known.persons),
            _ => Arc::new(self.read_persons().await?),
        };
        *people = Some(People { checked, version, persons: Arc::clone(&persons) });
        Ok((version, persons))
    }

    async fn read_persons(&self) -> Result<PersonMap, QueryError> {
        let grant = self.policy.maintenance(MaintenanceJob::Resolution, self.persons.name());
        Ok(vault::read_persons(&self.persons, Access::Maintenance(&grant)).await?)
    }
}
