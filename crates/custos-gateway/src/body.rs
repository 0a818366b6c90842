//! Bodies of requests.

use std::future::ready;
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
use crate::sent_memory::SentMemory;
use crate::wire_error::Failure;

/// How long a client may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

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
        let arriving = Arriving::of(&request);
        let request = request.map(|body| arriving.metered(body));
        let bytes = timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let bytes = bytes.map_err(|_| RequestError::BodySlow { seconds: BODY_TIME_MAX.as_secs() });
        let bytes = bytes?.map_err(|rejection| match rejection.status() {
            _ if arriving.is_full.load(Ordering::Relaxed) => QueryError::ClientMemoryFull.into(),
            StatusCode::PAYLOAD_TOO_LARGE => Failure::from(RequestError::BodyTooLarge),
            _ => RequestError::BodyCut.into(),
        })?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A body that is on its way.
#[derive(Clone)]
struct Arriving {
    memory: Arc<Mutex<SentMemory>>,
    /// Whether there was too little.
    is_full: Arc<AtomicBool>,
}

impl Arriving {
    fn new(memory: ClientMemory) -> Self {
        Self { memory: Arc::new(Mutex::new(SentMemory::new(memory))), is_full: Arc::default() }
    }

    /// In memory of whom the request was found to come from; of anybody else there is none.
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        Self::new(match (extensions.get::<Arc<Governor>>(), extensions.get::<PrincipalId>()) {
            (Some(governor), Some(principal)) => governor.client_memory(principal),
            _ => ClientMemory::up_to(0),
        })
    }

    /// The same body, as far as there is memory for it.
    fn metered(&self, body: Body) -> Body {
        let Self { memory, is_full } = self.clone();
        let parts = body.into_data_stream().map_err(BoxError::from);
        Body::from_stream(parts.and_then(move |part: Bytes| {
            let taken = memory.lock().unwrap_or_else(PoisonError::into_inner).take(part.len());
            is_full.store(taken.is_err(), Ordering::Relaxed);
            ready(taken.map(|()| part).map_err(BoxError::from))
        }))
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
