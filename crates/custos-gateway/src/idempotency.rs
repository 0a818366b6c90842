//! Keys by which a request that is sent again is known.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::RequestError;
use crate::wire_error::Failure;

/// The header, as in
/// [the draft of the IETF](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header).
const HEADER: &str = "idempotency-key";

/// Longest key.
const BYTES_MAX: usize = 255;

/// The key that the request carries, if it does. Keys of different principals are different.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut all = parts.headers.get_all(HEADER).iter();
        let key = match (all.next(), all.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(key), None) => key.to_str().ok(),
            (Some(_), Some(_)) => None,
        };
        let key = key.map(str::trim).filter(|key| !key.is_empty() && key.len() <= BYTES_MAX);
        Ok(Self(Some(key.ok_or(RequestError::BadIdempotencyKey)?.to_owned())))
    }
}
