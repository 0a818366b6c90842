//! Bodies of requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use custos_core::PrincipalId;
use custos_query::{ClientMemory, Governor, QueryError};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::RequestError;
use crate::wire_error::Failure;

/// How long a client may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// What every call may send without memory of its principal, in bytes: more is for what is long.
pub(crate) const SENT_BYTES: u64 = 16 * 1024;

/// A body that can be told to a client who sent something else.
pub(crate) trait Described: DeserializeOwned {
    /// An example of the body.
    const SHAPE: &'static str;
}

/// A body in JSON, whatever its content type says. Its length is limited by the route; what is long
/// is in memory of the [`Caller`](crate::caller::Caller) until it is understood.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: Described> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let memory = SentMemory::of(&request);
        let request = request.map(|body| memory.metered(body));
        let bytes = timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let bytes = bytes.map_err(|_| RequestError::BodySlow { seconds: BODY_TIME_MAX.as_secs() });
        let bytes = bytes?.map_err(|rejection| match rejection.status() {
            _ if memory.is_full.load(Ordering::Relaxed) => QueryError::ClientMemoryFull.into(),
            StatusCode::PAYLOAD_TOO_LARGE => Failure::from(RequestError::BodyTooLarge),
            _ => RequestError::BodyCut.into(),
        })?;
        Ok(Self(parse(&bytes)?))
    }
}

/// Memory for a body that is on its way.
struct SentMemory {
    held: Arc<Mutex<ClientMemory>>,
    /// Whether there was too little.
    is_full: Arc<AtomicBool>,
}

impl SentMemory {
    /// That of whom the request was found to come from; none of anybody else.
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let memory = match (extensions.get::<Arc<Governor>>(), extensions.get::<PrincipalId>()) {
            (Some(governor), Some(principal)) => governor.client_memory(principal),
            _ => ClientMemory::up_to(0),
        };
        Self { held: Arc::new(Mutex::new(memory)), is_full: Arc::default() }
    }

    /// The same body, as far as there is memory for it.
    fn metered(&self, body: Body) -> Body {
        let (held, is_full) = (Arc::clone(&self.held), Arc::clone(&self.is_full));
        let mut bytes = 0;
        Body::from_stream(body.into_data_stream().map_err(BoxError::from).and_then(
            move |part: Bytes| {
                bytes += part.len() as u64;
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                let taken = held.hold(bytes.saturating_sub(SENT_BYTES));
                is_full.store(taken.is_err(), Ordering::Relaxed);
                std::future::ready(taken.map(|()| part).map_err(BoxError::from))
            },
        ))
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
