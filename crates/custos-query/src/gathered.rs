//! Small batches together, since handing one over costs more than computing its rows.
//!
//! Joins of small tables give batches of a row or two.

use std::future::poll_fn;
use std::task::Poll;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

/// A batch with fewer rows is small.
const FEW_ROWS: usize = 1_024;

/// Batches of a stream, of which small ones come together as far as they are there.
pub(crate) struct Gathered {
    batches: SendableRecordBatchStream,
    /// What came after a batch that was handed out: its end.
    ended: Option<Result<()>>,
}

impl Gathered {
    pub(crate) const fn new(batches: SendableRecordBatchStream) -> Self {
        Self { batches, ended: None }
    }

    /// The next rows. Nothing is waited for once there are some.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(ended) = self.ended.take() {
            return ended.err().map(Err);
        }
        let first = match self.batches.next().await? {
            Ok(first) if first.num_rows() < FEW_ROWS => first,
            other => return Some(other),
        };
        let (mut rows, mut small) = (first.num_rows(), vec![first]);
        while rows < FEW_ROWS {
            match self.ready().await {
                Some(Some(Ok(batch))) => {
                    rows += batch.num_rows();
                    small.push(batch);
                }
                Some(Some(Err(error))) => {
                    self.ended = Some(Err(error));
                    break;
                }
                Some(None) => {
                    self.ended = Some(Ok(()));
                    break;
                }
                None => break,
            }
        }
        match &small[..] {
            [only] => Some(Ok(only.clone())),
            _ => Some(concat_batches(&self.batches.schema(), &small).map_err(Into::into)),
        }
    }
}

impl Gathered {
    /// What is there already. Asked for on behalf of the task, which is woken for what comes later:
    /// streams may keep the first waker that they are given.
    async fn ready(&mut self) -> Option<Option<Result<RecordBatch>>> {
        poll_fn(|context| {
            Poll::Ready(match self.batches.poll_next_unpin(context) {
                Poll::Ready(next) => Some(next),
                Poll::Pending => None,
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::error::DataFusionError;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;
    use proptest::prelude::*;

    use super::*;

    /// What a stream does at a step: rows, that there are none yet, or that it fails.
    #[derive(Debug, Clone)]
    enum Step {
        Rows(usize),
        Wait,
        Fail,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0_usize..5).prop_map(Step::Rows),
            2 => (FEW_ROWS - 1..FEW_ROWS + 2).prop_map(Step::Rows),
            2 => Just(Step::Wait),
            1 => Just(Step::Fail),
        ]
    }

    proptest! {
        #[test]
        fn all_rows_come_in_order_and_then_the_error(steps in prop::collection::vec(step(), 0..30)) {
            let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
            let (mut wanted, mut batches, mut fails) = (0, Vec::new(), false);
            for step in &steps {
                match step {
                    Step::Rows(rows) => {
                        let column = Int64Array::from_iter_values(wanted..wanted + *rows as i64);
                        wanted += *rows as i64;
                        let batch =
                            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]);
                        batches.push(Some(Ok(batch.unwrap())));
                    }
                    Step::Wait => batches.push(None),
                    Step::Fail => {
                        batches.push(Some(Err(DataFusionError::Internal(String::new()))));
                        fails = true;
                        break;
                    }
                }
            }
            let rows = stream::iter(batches).filter_map(|batch| async move {
                if batch.is_none() {
                    tokio::task::yield_now().await;
                }
                batch
            });
            let rows = RecordBatchStreamAdapter::new(schema, rows);
            let mut gathered = Gathered::new(Box::pin(rows));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (seen, failed) = runtime.block_on(async {
                let mut seen = Vec::new();
                while let Some(batch) = gathered.next().await {
                    match batch {
                        Ok(batch) => {
                            let column = batch.column(0).as_primitive::<Int64Type>();
                            seen.extend(column.values().iter().copied());
                        }
                        Err(_) => return (seen, true),
                    }
                }
                (seen, false)
            });
            prop_assert_eq!(seen, (0..wanted).collect::<Vec<_>>());
            prop_assert_eq!(failed, fails);
        }
    }
}
