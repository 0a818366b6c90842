//! Rows on their way to the client.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use custos_query::QueryError;
use futures::stream::{self, Stream, StreamExt};
use tracing::Span;

use super::format::{Encoder, Format};
use crate::observe::CallId;
use crate::wire_error::Failure;

/// Ends the body without its end, so that the client sees that rows are missing.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut short")]
struct CutShort;

/// The answer with these rows, as they come.
///
/// A failure before the first row is a problem like any other. After that the status is on its way,
/// and all that is left is to break off: the body lacks its last chunk, and an array its bracket.
/// The log has the failure under the `x-request-id` of the answer.
pub(crate) async fn answer<S>(
    columns: &SchemaRef,
    rows: S,
    format: Format,
    id: CallId,
) -> Result<Response, Failure>
where
    S: Stream<Item = Result<RecordBatch, QueryError>> + Send + Unpin + 'static,
{
    let mut pieces = Pieces { rows, encoder: format.encoder(columns)?, ended: false };
    let first = pieces.next().await?.map(Bytes::from);
    let first = stream::iter(first.map(Ok));
    // Whoever compresses it asks once more after its end.
    let body = Body::from_stream(first.chain(rest(pieces, id)).fuse());
    Ok(([(header::CONTENT_TYPE, format.content_type())], body).into_response())
}

/// The pieces after the first, up to the first failure.
fn rest<S>(pieces: Pieces<S>, id: CallId) -> impl Stream<Item = Result<Bytes, CutShort>> + Send
where
    S: Stream<Item = Result<RecordBatch, QueryError>> + Send + Unpin + 'static,
{
    let span = Span::current();
    stream::unfold(Some(pieces), move |pieces| {
        let (span, id) = (span.clone(), id.clone());
        async move {
            let mut pieces = pieces?;
            match pieces.next().await {
                Ok(Some(piece)) => Some((Ok(piece.into()), Some(pieces))),
                Ok(None) => None,
                Err(failure) => {
                    span.in_scope(|| {
                        failure.log(id.as_str());
                        tracing::warn!(code = failure.code(), "answer cut short");
                    });
                    Some((Err(CutShort), None))
                }
            }
        }
    })
}

/// An answer, piece by piece.
struct Pieces<S> {
    rows: S,
    encoder: Encoder,
    ended: bool,
}

impl<S> Pieces<S>
where
    S: Stream<Item = Result<RecordBatch, QueryError>> + Unpin,
{
    /// The next piece, which is never empty; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        while !self.ended {
            match self.rows.next().await {
                Some(rows) => {
                    let rows = rows?;
                    // What names the columns only is no row, after which no failure can be told.
                    if rows.num_rows() == 0 {
                        continue;
                    }
                    self.encoder.write(&rows)?;
                }
                None => {
                    self.encoder.finish()?;
                    self.ended = true;
                }
            }
            let piece = self.encoder.take();
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
