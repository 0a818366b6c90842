//! One answer that several calls fetch at once, each a part of it.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use custos_policy::Principal;
use custos_query::{Description, QueryError, RowStream, Visibility};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

use super::refusal::Refusal;
use super::shelf::Weigh;
use super::statement::Statement;
use crate::error::RequestError;
use crate::wire_error::Failure;

/// How many may fetch a large answer at once. Whoever fetches one part alone has it all.
const PARTS: u8 = 4;

/// So many rows make an answer that is worth several calls.
const ROWS_LARGE: usize = 65_536;

/// In how many parts an answer can be fetched.
///
/// Rows in an order are one part, since clients may read parts in any. What tables hold has no say:
/// it would tell of rows that the caller does not see.
pub(super) fn parts(description: &Description) -> u8 {
    let few = description.rows_max.is_some_and(|rows| rows <= ROWS_LARGE);
    if few || description.ordered { 1 } else { PARTS }
}

/// A statement with tickets for all parts of its answer.
///
/// `V` is the state of consent that answers are of.
#[derive(Debug)]
pub(super) struct Announced<V = Visibility> {
    pub(super) statement: Arc<Statement>,
    parts: u8,
    /// Held while the statement is started, for which its other parts wait.
    fetched: tokio::sync::Mutex<Option<Fetched<V>>>,
}

/// The last run of a statement, and whose parts are being fetched or were.
#[derive(Debug)]
struct Fetched<V> {
    by: Principal,
    /// What the run sees is no older.
    visibility: Arc<V>,
    parts: Vec<u8>,
    run: Arc<Run>,
}

impl<V> Announced<V> {
    pub(super) fn new(statement: Arc<Statement>, parts: u8) -> Self {
        Self { statement, parts, fetched: tokio::sync::Mutex::default() }
    }

    /// A part of the rows: of a run that others fetch from, or of one that `start` begins, since the
    /// same part fetched again means all anew.
    ///
    /// Roles that another token gave the same principal do not fetch from this one's run, nor does
    /// anybody once `visibility` is another: its rows could be of who must not be seen any more.
    pub(super) async fn fetch(
        &self,
        part: u8,
        by: &Principal,
        visibility: impl Future<Output = Result<Arc<V>, Failure>>,
        start: impl Future<Output = Result<Run, Failure>>,
    ) -> Result<Part, Failure> {
        if part >= self.parts {
            return Err(Refusal::UnknownTicket.into());
        }
        if self.parts == 1 {
            return Ok(Part::of(Arc::new(start.await?)));
        }
        let mut fetched = self.fetched.lock().await;
        let visibility = visibility.await?;
        if let Some(fetched) = &mut *fetched
            && fetched.by == *by
            && !fetched.parts.contains(&part)
        {
            if !Arc::ptr_eq(&fetched.visibility, &visibility) {
                return Err(RequestError::ConsentChanged.into());
            }
            fetched.parts.push(part);
            return Ok(Part::of(Arc::clone(&fetched.run)));
        }
        let run = Arc::new(start.await?);
        let first = Part::of(Arc::clone(&run));
        *fetched = Some(Fetched { by: by.clone(), visibility, parts: vec![part], run });
        Ok(first)
    }
}

impl<V> Weigh for Announced<V> {
    fn bytes(&self) -> u64 {
        self.statement.bytes() + mem::size_of::<Self>() as u64
    }
}

/// A statement that runs, and those who wait for its rows.
pub(super) struct Run {
    schema: SchemaRef,
    state: Mutex<State>,
    waiting: Arc<Waiting>,
}

struct State {
    rows: Rows,
    parts: usize,
}

enum Rows {
    Coming(BoxStream<'static, Result<RecordBatch, QueryError>>),
    Complete,
    /// It failed, which one part was told, or all who fetched it have left.
    Incomplete,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl From<RowStream> for Run {
    fn from(rows: RowStream) -> Self {
        Self::new(Arc::clone(rows.schema()), rows.boxed())
    }
}

impl Run {
    fn new(schema: SchemaRef, rows: BoxStream<'static, Result<RecordBatch, QueryError>>) -> Self {
        let state = Mutex::new(State { rows: Rows::Coming(rows), parts: 0 });
        Self { schema, state, waiting: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, state: &mut State, how: Rows) -> Rows {
        // None of those who wait has been called by the rows, or will be.
        self.waiting.wake_by_ref();
        mem::replace(&mut state.rows, how)
    }
}

/// All parts that wait are woken for each batch, and the first that asks has it: any one of them may
/// have a client that does not read, and must not keep the others waiting.
#[derive(Debug, Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A part of an answer: those batches that the other parts have not taken.
///
/// When the last part is dropped before the end, the statement is cancelled.
#[derive(Debug)]
pub(super) struct Part {
    run: Arc<Run>,
    ended: bool,
}

impl Part {
    fn of(run: Arc<Run>) -> Self {
        run.state().parts += 1;
        Self { run, ended: false }
    }

    /// The columns of the answer.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.run.schema
    }
}

impl Stream for Part {
    type Item = Result<RecordBatch, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let run = Arc::clone(&self.run);
        run.waiting.add(context.waker());
        let mut state = run.state();
        let next = match &mut state.rows {
            Rows::Coming(rows) => {
                let all = Waker::from(Arc::clone(&run.waiting));
                rows.poll_next_unpin(&mut Context::from_waker(&all))
            }
            Rows::Complete => Poll::Ready(None),
            Rows::Incomplete => {
                self.ended = true;
                return Poll::Ready(Some(Err(Refusal::Incomplete.into())));
            }
        };
        match next {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(batch))) => Poll::Ready(Some(Ok(batch))),
            Poll::Ready(Some(Err(error))) => {
                self.ended = true;
                run.end(&mut state, Rows::Incomplete);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.ended = true;
                run.end(&mut state, Rows::Complete);
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut state = self.run.state();
        state.parts -= 1;
        if state.parts == 0 && matches!(state.rows, Rows::Coming(_)) {
            self.run.end(&mut state, Rows::Incomplete);
        }
    }
}

#[cfg(test)]
mod tests;
