//! Rows on their way from a statement to its caller.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::QueryError;
use crate::interrupt::{Over, Wanted};

/// Batches that may wait for the caller.
const BATCHES_WAITING: usize = 1;

/// Both ends of an answer.
pub(crate) fn channel() -> (Outlet, Answer) {
    let (started, schema) = oneshot::channel();
    let (rows, taken) = mpsc::channel(BATCHES_WAITING);
    let (ended, end) = oneshot::channel();
    let wanted = Wanted::default();
    let outlet = Outlet { started: Some(started), rows, ended, rows_sent: 0, over: wanted.over() };
    (outlet, Answer { schema, rows: taken, end, wanted })
}

/// Where a statement puts its rows.
pub(crate) struct Outlet {
    started: Option<oneshot::Sender<SchemaRef>>,
    rows: mpsc::Sender<RecordBatch>,
    ended: oneshot::Sender<Result<(), QueryError>>,
    rows_sent: u64,
    over: Over,
}

impl Outlet {
    /// Whether the caller has left, for what computes without a pause.
    pub(crate) const fn over(&self) -> &Over {
        &self.over
    }

    /// Says what the columns are; before that there is no answer, only a refusal.
    pub(crate) fn start(&mut self, schema: SchemaRef) -> Result<(), QueryError> {
        let started = self.started.take().ok_or(QueryError::Internal)?;
        started.send(schema).map_err(|_| QueryError::Cancelled)
    }

    /// Hands over a batch, as soon as the caller has taken those before it.
    pub(crate) async fn send(&mut self, batch: RecordBatch) -> Result<(), QueryError> {
        let rows = batch.num_rows() as u64;
        self.rows.send(batch).await.map_err(|_| QueryError::Cancelled)?;
        self.rows_sent += rows;
        Ok(())
    }

    /// How many rows were handed over.
    pub(crate) const fn rows_sent(&self) -> u64 {
        self.rows_sent
    }

    /// Resolves when the caller has left.
    pub(crate) fn abandoned(&self) -> impl Future<Output = ()> + Send + use<> {
        let rows = self.rows.clone();
        async move { rows.closed().await }
    }

    /// Ends the answer.
    pub(crate) fn end(self, how: Result<(), QueryError>) {
        // A caller who has left does not need to know.
        let _unheard = self.ended.send(how);
    }
}

/// The caller's end before there are rows.
pub(crate) struct Answer {
    schema: oneshot::Receiver<SchemaRef>,
    rows: mpsc::Receiver<RecordBatch>,
    end: oneshot::Receiver<Result<(), QueryError>>,
    wanted: Wanted,
}

impl Answer {
    /// The rows, once the statement runs, or why it does not.
    pub(crate) async fn started(self) -> Result<RowStream, QueryError> {
        match self.schema.await {
            Ok(schema) => {
                let (rows, end) = (self.rows, Some(self.end));
                Ok(RowStream { schema, rows, end, _wanted: self.wanted })
            }
            Err(_) => match self.end.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(QueryError::Internal),
            },
        }
    }
}

/// The rows of an answer, as they are computed.
///
/// Dropped before its end, it cancels the statement, which frees what it holds and is recorded as
/// failed. An answer that ends without an error is complete.
pub struct RowStream {
    schema: SchemaRef,
    rows: mpsc::Receiver<RecordBatch>,
    /// How the answer ended, until somebody was told.
    end: Option<oneshot::Receiver<Result<(), QueryError>>>,
    _wanted: Wanted,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl RowStream {
    /// The columns of the answer.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = ready!(self.rows.poll_recv(context)) {
            return Poll::Ready(Some(Ok(batch)));
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        // A statement that is gone without a word has panicked: what came is not the answer.
        let end = ready!(end.poll_unpin(context)).unwrap_or(Err(QueryError::Internal));
        self.end = None;
        Poll::Ready(end.err().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_whose_statement_is_gone_without_a_word_is_not_complete() {
        let (mut outlet, answer) = channel();
        outlet.start(Arc::new(Schema::empty())).unwrap();
        drop(outlet);
        let mut rows = answer.started().await.unwrap();
        assert!(matches!(rows.next().await, Some(Err(QueryError::Internal))));
        assert!(rows.next().await.is_none());
    }

    #[tokio::test]
    async fn a_refusal_comes_in_place_of_rows() {
        let (outlet, answer) = channel();
        outlet.end(Err(QueryError::Timeout));
        assert!(matches!(answer.started().await, Err(QueryError::Timeout)));
    }

    #[tokio::test]
    async fn whoever_leaves_is_noticed() {
        let (outlet, answer) = channel();
        let abandoned = outlet.abandoned();
        drop(answer);
        abandoned.await;
    }
}
