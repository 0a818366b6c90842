//! Statements that were started and are not forgotten yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use axum::response::Response;
use custos_core::{PrincipalId, Timestamp};
use custos_policy::Principal;
use custos_query::{RowStream, Visibility};
use futures::StreamExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::error::RequestError;
use crate::gateway::Gateway;
use crate::observe::CallId;
use crate::sql::{Asker, SqlRequest};
use crate::wire_error::{Failure, Problem};

/// How long a statement is known after it came to rest.
const KEPT: Duration = Duration::from_secs(600);

/// Statements that are known of one principal.
const PRINCIPAL_MAX: usize = 8;

/// Statements that are known at all: each may hold the first rows of its answer.
const ALL_MAX: usize = 128;

/// The statements of all principals, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Statements(Mutex<BTreeMap<u64, Arc<Statement>>>);

/// A statement that was started.
#[derive(Debug)]
pub(super) struct Statement {
    number: u64,
    id: String,
    asker: Asker,
    submitted_at: Timestamp,
    /// What the client calls it, and what it asked for.
    key: (Option<String>, [u8; 32]),
    cancelled: CancellationToken,
    settled: CancellationToken,
    settled_at: OnceLock<Instant>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running,
    Ready(Box<Taken>),
    /// Its rows were fetched, or are being fetched.
    Fetched,
    Failed(Arc<Failure>, CallId),
    Cancelled,
}

/// The rows of a statement, those that were waited for first.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) first: Option<RecordBatch>,
    pub(super) rows: RowStream,
    /// The state of consent when it began.
    visibility: Arc<Visibility>,
}

/// What a client is told of a statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    id: String,
    /// `running`, `ready` (its rows can be fetched), `fetched`, `failed` or `cancelled`.
    state: &'static str,
    purpose: String,
    submitted_at: String,
    /// Where its rows are.
    rows: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl Statements {
    /// Makes a statement known, unless the same one is: then that one, and `false`.
    pub(super) fn keep(
        &self,
        asker: Asker,
        now: Timestamp,
        key: (Option<String>, [u8; 32]),
    ) -> Result<(Arc<Statement>, bool), RequestError> {
        let mut all = self.known();
        let own = || all.values().filter(|known| known.asker.principal.id == asker.principal.id);
        if key.0.is_some()
            && let Some(known) = own().find(|known| known.key.0 == key.0)
        {
            return match known.key.1 == key.1 {
                true => Ok((Arc::clone(known), false)),
                false => Err(RequestError::IdempotencyKeyUsed),
            };
        }
        if own().count() >= PRINCIPAL_MAX || all.len() >= ALL_MAX {
            let spent = own().find(|known| !known.holds_rows()).map(|known| known.number);
            match spent {
                Some(number) => drop(all.remove(&number)),
                None => return Err(RequestError::TooManyStatements { limit: PRINCIPAL_MAX }),
            }
        }
        let number = all.last_key_value().map_or(0, |(number, _)| number + 1);
        let statement = Arc::new(Statement {
            number,
            id: format!("{}{}", CallId::fresh().as_str(), CallId::fresh().as_str()),
            asker,
            submitted_at: now,
            key,
            cancelled: CancellationToken::new(),
            settled: CancellationToken::new(),
            settled_at: OnceLock::new(),
            state: Mutex::new(State::Running),
        });
        all.insert(number, Arc::clone(&statement));
        Ok((statement, true))
    }

    /// A principal's statement. That of another is as unknown as none.
    pub(super) fn find(
        &self,
        id: &str,
        principal: &PrincipalId,
    ) -> Result<Arc<Statement>, RequestError> {
        let all = self.known();
        let found = all.values().find(|known| known.id == id);
        let own = found.filter(|known| known.asker.principal.id == *principal);
        own.cloned().ok_or(RequestError::NoSuchStatement)
    }

    /// The statements of a principal, the newest first.
    pub(super) fn of(&self, principal: &PrincipalId) -> Vec<Status> {
        let all = self.known();
        let own = all.values().rev().filter(|known| known.asker.principal.id == *principal);
        own.map(|known| known.status()).collect()
    }

    /// Stops all of them.
    pub(crate) fn cancel_all(&self) {
        self.known().values().for_each(|known| known.cancel());
    }

    /// Those that are not forgotten.
    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Statement>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, known| known.settled_at.get().is_none_or(|at| at.elapsed() < KEPT));
        all
    }
}

impl Statement {
    /// Where its status is.
    pub(super) fn address(&self) -> String {
        format!("/v1/statements/{}", self.id)
    }

    /// Runs it until its first rows are there.
    pub(super) async fn run(&self, gateway: &Gateway, request: &SqlRequest, call: CallId) {
        let state = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => State::Cancelled,
            begun = self.begin(gateway, request) => match begun {
                Ok(taken) => State::Ready(Box::new(taken)),
                Err(failure) => {
                    failure.log(call.as_str());
                    State::Failed(Arc::new(failure), call)
                }
            },
        };
        self.settle(state);
    }

    async fn begin(&self, gateway: &Gateway, request: &SqlRequest) -> Result<Taken, Failure> {
        // Before it runs, so that what it sees is no older.
        let visibility = gateway.executor.visibility().await?;
        let mut rows = self.asker.ask(gateway, request).await?;
        let first = rows.next().await.transpose()?;
        Ok(Taken { first, rows, visibility })
    }

    /// Stops it and drops its rows.
    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
        self.settle(State::Cancelled);
    }

    /// Resolves when it does not run any more.
    pub(super) async fn settled(&self) {
        self.settled.cancelled().await;
    }

    fn settle(&self, state: State) {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = matches!(
            (&*current, &state),
            (State::Running, _) | (State::Ready(_), State::Cancelled)
        );
        if changes {
            *current = state;
        }
        self.settled.cancel();
        self.settled_at.get_or_init(Instant::now);
    }

    fn holds_rows(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Running | State::Ready(_))
    }

    /// Its rows, for whoever may still see them; or the problem that it ended with.
    pub(super) async fn take(
        &self,
        gateway: &Gateway,
        principal: &Principal,
    ) -> Result<Result<Taken, Response>, Failure> {
        let taken = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match std::mem::replace(&mut *state, State::Fetched) {
                State::Ready(taken) => *taken,
                State::Failed(failure, call) => {
                    let problem = failure.problem(call.as_str());
                    *state = State::Failed(failure, call);
                    return Ok(Err(problem));
                }
                State::Cancelled => {
                    *state = State::Cancelled;
                    return Err(RequestError::StatementCancelled.into());
                }
                State::Running | State::Fetched => {
                    return Err(RequestError::AlreadyFetched.into());
                }
            }
        };
        // What it read may not be for these eyes any more.
        let now = gateway.executor.visibility().await?;
        if !Arc::ptr_eq(&now, &taken.visibility) || *principal != self.asker.principal {
            return Err(RequestError::ConsentChanged.into());
        }
        Ok(Ok(taken))
    }

    /// What a client is told.
    pub(super) fn status(&self) -> Status {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, problem) = match &*state {
            State::Running => ("running", None),
            State::Ready(_) => ("ready", None),
            State::Fetched => ("fetched", None),
            State::Failed(failure, call) => ("failed", Some(failure.document(call.as_str()))),
            State::Cancelled => ("cancelled", None),
        };
        Status {
            id: self.id.clone(),
            state: name,
            purpose: self.asker.purpose.to_string(),
            submitted_at: self.submitted_at.to_string(),
            rows: format!("{}/rows", self.address()),
            problem,
        }
    }
}
