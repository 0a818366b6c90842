//! Values of parameters, as clients send them.

use std::panic::AssertUnwindSafe;

use arrow::array::ArrayRef;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use tonic::Status;

use super::gate::PARAMETERS_BYTES_MAX;
use super::refusal::Refusal;

/// The values of the one row that is sent.
pub(super) async fn one_row(
    sent: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Vec<ArrayRef>, Refusal> {
    // The decoder reads what a client made up.
    match AssertUnwindSafe(read(sent)).catch_unwind().await {
        Ok(read) => read,
        Err(_) => Err(Refusal::BadParameters),
    }
}

async fn read(
    sent: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Vec<ArrayRef>, Refusal> {
    let mut bytes = 0;
    let limited = sent.map(move |message| {
        let message = message.map_err(FlightError::from)?;
        bytes += message.data_header.len() + message.data_body.len();
        if bytes > PARAMETERS_BYTES_MAX {
            let too_large = Refusal::ParametersTooLarge { limit: PARAMETERS_BYTES_MAX };
            return Err(FlightError::from_external_error(Box::new(too_large)));
        }
        Ok(message)
    });
    let mut batches = FlightRecordBatchStream::new_from_flight_data(limited);
    let mut row = None;
    while let Some(batch) = batches.try_next().await.map_err(own)? {
        match (batch.num_rows(), &row) {
            (0, _) => {}
            (1, None) => row = Some(batch.columns().to_vec()),
            _ => return Err(Refusal::SeveralRows),
        }
    }
    row.ok_or(Refusal::NoRow)
}

/// Our own error, or else that the decoder failed, whose text can quote values.
fn own(error: FlightError) -> Refusal {
    match error {
        FlightError::ExternalError(error) => {
            error.downcast().map_or(Refusal::BadParameters, |own| *own)
        }
        _ => Refusal::BadParameters,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, Int64Array, RecordBatch};
    use arrow_flight::encode::FlightDataEncoderBuilder;
    use futures::stream;

    use super::*;

    async fn sent(batches: &[&[i64]]) -> Result<Vec<ArrayRef>, Refusal> {
        let batch = |values: &&[i64]| {
            let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            RecordBatch::try_from_iter([("0", column)]).unwrap()
        };
        let batches: Vec<_> = batches.iter().map(batch).map(Ok).collect();
        let messages = FlightDataEncoderBuilder::new().build(stream::iter(batches));
        one_row(messages.map_err(Status::from)).await
    }

    #[tokio::test]
    async fn one_row_is_bound_and_several_are_not() {
        let row = sent(&[&[], &[7]]).await.unwrap();
        assert_eq!(row[0].to_data(), Int64Array::from(vec![7]).to_data());
        assert!(matches!(sent(&[&[1, 2]]).await, Err(Refusal::SeveralRows)));
        assert!(matches!(sent(&[&[1], &[2]]).await, Err(Refusal::SeveralRows)));
        assert!(matches!(sent(&[&[]]).await, Err(Refusal::NoRow)));
    }

    #[tokio::test]
    async fn what_is_no_batch_or_too_large_is_refused() {
        let message = |header: &[u8], body: usize| {
            Ok(FlightData::new().with_data_header(header.to_vec()).with_data_body(vec![0; body]))
        };
        let garbage = one_row(stream::iter([message(b"canary", 8)])).await;
        assert!(matches!(garbage, Err(Refusal::BadParameters)));
        let large = one_row(stream::iter([message(b"", PARAMETERS_BYTES_MAX + 1)])).await;
        assert!(matches!(large, Err(Refusal::ParametersTooLarge { .. })));
    }
}
