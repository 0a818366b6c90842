//! Who is asking.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use custos_policy::Principal;
use sha2::{Digest, Sha256};

use crate::Authenticator;
use crate::error::RequestError;
use crate::wire_error::Failure;

/// The principal whose token the request carries.
///
/// A handler that needs to know who asks names it as an argument; then it cannot run for somebody
/// who did not prove it.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<dyn Authenticator>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let authenticator = Arc::<dyn Authenticator>::from_ref(state);
        Ok(Self(bearer(&*authenticator, &parts.headers).await?))
    }
}

/// The principal whose token these headers carry.
pub(crate) async fn bearer(
    authenticator: &dyn Authenticator,
    headers: &HeaderMap,
) -> Result<Principal, Failure> {
    // No token and an unknown one must look the same.
    let token = bearer_token(headers).ok_or(RequestError::Unauthenticated)?;
    let principal = authenticator.principal_by_secret(&Sha256::digest(token).into()).await?;
    Ok(principal.ok_or(RequestError::Unauthenticated)?)
}

/// The token of the one `authorization` header
/// ([RFC 6750, 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.as_bytes();
    if all.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;
