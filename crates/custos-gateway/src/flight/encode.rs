//! Rows as Arrow messages.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::in_flight::Departed;
use super::parts::Part;
use super::refusal::Refusal;
use super::service::FlightDataStream;
use crate::wire_schema::{as_schema, wire_schema};

/// Batches are put together until they have this many bytes: a sixteenth of the messages, at no cost
/// that can be measured.
const BATCH_BYTES: usize = 1024 * 1024;

/// Or until their first row has waited this long.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// A larger batch is divided into messages of about this size. Clients take 4 MiB unless told
/// otherwise; the other half is for rows that are longer than most.
const MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// The rows as messages, until their end or until the caller stops them. Rows are computed as they
/// are fetched.
pub(super) fn encoded(rows: Part, departed: Departed) -> FlightDataStream {
    let schema = wire_schema(rows.schema());
    let pouring =
        Pouring { rows, schema: Arc::clone(&schema), departed, waiting: Vec::new(), bytes: 0 };
    let batches = stream::unfold(pouring, async |mut pouring| {
        let batch = pouring.next().await?;
        Some((batch.map_err(FlightError::from), pouring))
    });
    messages(schema, batches)
}

/// One batch as messages.
pub(super) fn whole(batch: RecordBatch) -> FlightDataStream {
    messages(batch.schema(), stream::iter([Ok(batch)]))
}

/// The answer to a caller who has stopped it.
pub(super) fn stopped() -> FlightDataStream {
    stream::iter([Err(stopped_status())]).boxed()
}

fn stopped_status() -> Status {
    Status::cancelled("the statement was stopped by its caller")
}

fn messages(
    schema: SchemaRef,
    batches: impl futures::Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> FlightDataStream {
    let encoder = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_max_flight_data_size(MESSAGE_BYTES)
        .build(batches);
    let told = encoder.map(|message| {
        message.map_err(|error| match error {
            FlightError::Tonic(status) => *status,
            // The texts of the others can quote values.
            _ => Refusal::Encode.into(),
        })
    });
    told.boxed()
}

/// Rows that are put together into larger batches.
struct Pouring {
    rows: Part,
    schema: SchemaRef,
    departed: Departed,
    waiting: Vec<RecordBatch>,
    bytes: usize,
}

impl Pouring {
    async fn next(&mut self) -> Option<Result<RecordBatch, Status>> {
        let mut due = None;
        loop {
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.departed.stopped() => return Some(Err(stopped_status())),
                batch = self.rows.next() => match batch {
                    Some(Ok(batch)) => {
                        if let Err(refusal) = self.keep(&batch) {
                            return Some(Err(refusal.into()));
                        }
                        if self.bytes >= BATCH_BYTES {
                            return Some(self.together());
                        }
                        due.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
                    }
                    Some(Err(failure)) => return Some(Err(failure.into())),
                    None if self.waiting.is_empty() => return None,
                    None => return Some(self.together()),
                },
                () = wait => return Some(self.together()),
            }
        }
    }

    fn keep(&mut self, batch: &RecordBatch) -> Result<(), Refusal> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = as_schema(batch, &self.schema).map_err(|_| Refusal::Encode)?;
        let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
        for size in sizes {
            self.bytes += size.map_err(|_| Refusal::Encode)?;
        }
        self.waiting.push(batch);
        Ok(())
    }

    fn together(&mut self) -> Result<RecordBatch, Status> {
        self.bytes = 0;
        let batches = std::mem::take(&mut self.waiting);
        concat_batches(&self.schema, &batches).map_err(|_| Refusal::Encode.into())
    }
}
