//! Bodies of requests.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::RequestError;
use crate::wire_error::Failure;

/// How long a client may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// A body that can be told to a client who sent something else.
pub(crate) trait Described: DeserializeOwned {
    /// An example of the body.
    const SHAPE: &'static str;
}

/// A body in JSON, whatever its content type says. Its length is limited by the route.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: Described> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let bytes = bytes.map_err(|_| RequestError::BodySlow { seconds: BODY_TIME_MAX.as_secs() });
        let bytes = bytes?.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                RequestError::BodyTooLarge
            } else {
                RequestError::BodyCut
            }
        })?;
        Ok(Self(parse(&bytes)?))
    }
}

fn parse<T: Described>(bytes: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(bytes).map_err(|error| RequestError::BadBody {
        line: error.line(),
        column: error.column(),
        shape: T::SHAPE,
    })
}

#[cfg(test)]
mod tests;
