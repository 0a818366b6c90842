//! Rows as Arrow messages.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use custos_query::RowStream;
use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::in_flight::Departed;
use super::refusal::Refusal;
use super::service::FlightDataStream;
use crate::wire_error::Failure;

/// Batches are put together until they have this many bytes: a sixteenth of the messages, at no cost
/// that can be measured.
const BATCH_BYTES: usize = 1024 * 1024;

/// Or until their first row has waited this long.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// A larger batch is divided into messages of about this size. Clients take 4 MiB unless told
/// otherwise; the other half is for rows that are longer than most.
const MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// The columns as clients get them: without views and dictionaries, which not all of them know, and
/// without what a plan knows of NULLs and notes, which is not the same before it runs and after.
pub(super) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| wire_field(field));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn wire_field(field: &Field) -> Field {
    Field::new(field.name(), wire_type(field.data_type()), true)
}

fn wire_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| Arc::new(wire_field(field));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => wire_type(value),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::List(inner(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(inner(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// The rows as messages, until their end or until the caller stops them. Rows are computed as they
/// are fetched.
pub(super) fn encoded(rows: RowStream, departed: Departed) -> FlightDataStream {
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
    rows: RowStream,
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
                    Some(Err(error)) => return Some(Err(Failure::from(error).into())),
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
        let batch = as_schema(batch, &self.schema)?;
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

/// The batch with the types of the schema.
fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Refusal> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast(column, field.data_type()).map_err(|_| Refusal::Encode)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
        .map_err(|_| Refusal::Encode)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn clients_get_neither_views_nor_dictionaries() {
        let views: ArrayRef =
            Arc::new(StringViewArray::from(vec!["茶", "a longer text than views hold"]));
        let words: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("views", views), ("words", Arc::new(words) as _)]);
        let batch = batch.unwrap();
        let schema = wire_schema(&batch.schema());
        let sent = as_schema(&batch, &schema).unwrap();
        let texts: StringArray = vec!["茶", "a longer text than views hold"].into();
        assert_eq!(sent.column(0).to_data(), texts.to_data());
        assert_eq!(sent.column(1).data_type(), &DataType::Utf8);
        let list = DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, false)));
        let expected = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        assert_eq!(wire_type(&list), expected);
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(3));
        let empty = Arc::new(Schema::empty());
        let batch = RecordBatch::try_new_with_options(Arc::clone(&empty), vec![], &rows).unwrap();
        assert_eq!(as_schema(&batch, &empty).unwrap().num_rows(), 3);
    }
}
