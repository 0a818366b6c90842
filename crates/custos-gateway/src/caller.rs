//! Who is asking.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use custos_policy::Principal;

use crate::error::RequestError;
use crate::identity::Identity;
use crate::listener::Peer;
use crate::wire_error::Failure;

/// The principal whose token the request carries, or whose certificate its connection has.
///
/// A handler that needs to know who asks names it as an argument; then it cannot run for somebody
/// who did not prove it.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<Peer>().ok_or(RequestError::NoPeer)?;
        let principal = Identity::from_ref(state).caller(peer, &parts.headers).await?;
        // In whose memory the body is.
        parts.extensions.insert(principal.id.clone());
        Ok(Self(principal))
    }
}

#[cfg(test)]
mod tests;
