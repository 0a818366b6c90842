//! Who calls, by what the call and its connection prove.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use custos_core::PrincipalId;
use custos_policy::Principal;
use sha2::{Digest, Sha256};

use crate::attempts::Attempts;
use crate::error::RequestError;
use crate::listener::Peer;
use crate::oidc;
use crate::tls::Certificate;
use crate::wire_error::Failure;
use crate::{Authenticator, Gateway, OidcProvider};

/// Characters of the random part of a secret, and of what stands before it.
const SECRET_CHARS: usize = 43;

/// Tells who calls, and keeps those out who guess.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) oidc: Option<Arc<OidcProvider>>,
    pub(crate) attempts: Arc<Attempts>,
}

impl Identity {
    /// What the doors of a gateway ask.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self {
            authenticator: Arc::clone(&gateway.authenticator),
            oidc: gateway.oidc.clone(),
            attempts: Arc::clone(&gateway.attempts),
        }
    }

    /// Whoever the bearer token of these headers or the certificate of the connection names; both
    /// name the same one, if there are both.
    pub(crate) async fn caller(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<Principal, Failure> {
        let principal = self.proven(peer, headers).await?;
        peer.is_known();
        Ok(principal)
    }

    async fn proven(&self, peer: &Peer, headers: &HeaderMap) -> Result<Principal, Failure> {
        let certified = match &peer.certificate {
            Some(certificate) => Some(self.certified(certificate).await?),
            None => None,
        };
        if let Some(certified) = certified.as_ref()
            && !headers.contains_key(header::AUTHORIZATION)
        {
            return Ok(certified.clone());
        }
        // No token and an unknown one must look the same.
        let token = bearer_token(headers).ok_or(RequestError::Unauthenticated)?;
        let principal = self.bearer(token, peer.address).await?;
        match certified {
            Some(certified) if certified.id != principal.id => {
                Err(RequestError::Unauthenticated.into())
            }
            _ => Ok(principal),
        }
    }

    /// The principal of this name, if this is its secret.
    pub(crate) async fn login(
        &self,
        peer: &Peer,
        name: &str,
        secret: &[u8],
    ) -> Result<Option<Principal>, Failure> {
        self.admit(Some(name), peer.address)?;
        let found = self.authenticator.principal_by_secret(&Sha256::digest(secret).into()).await?;
        let found = found.filter(|principal| principal.id.as_str() == name);
        self.count(Some(name), peer.address, found.is_some());
        let is_other = |certificate: &Certificate| {
            certificate.name.as_ref().is_none_or(|certified| certified.as_str() != name)
        };
        Ok(found.filter(|_| !peer.certificate.as_ref().is_some_and(is_other)))
    }

    /// The principal whom a certificate names. One that names nobody proves less than none: the
    /// client cannot be who it says it is.
    pub(crate) async fn certified(&self, certificate: &Certificate) -> Result<Principal, Failure> {
        let name = certificate.name.as_ref().ok_or(RequestError::Unauthenticated)?;
        let principal = self.authenticator.principal(name).await?;
        Ok(principal.ok_or(RequestError::Unauthenticated)?)
    }

    async fn bearer(&self, token: &[u8], from: IpAddr) -> Result<Principal, Failure> {
        let name = name_in(token);
        let name = name.as_ref().map(PrincipalId::as_str);
        self.admit(name, from)?;
        let found = match (&self.oidc, oidc::signed(token)) {
            (Some(provider), Some(token)) => self.by_token(provider, token).await?,
            _ => self.authenticator.principal_by_secret(&Sha256::digest(token).into()).await?,
        };
        self.count(name, from, found.is_some());
        Ok(found.ok_or(RequestError::Unauthenticated)?)
    }

    /// Whom a signed token names; none if nothing shows that its provider made it.
    async fn by_token(
        &self,
        provider: &OidcProvider,
        token: &str,
    ) -> Result<Option<Principal>, Failure> {
        let Some(claims) = provider.verify(token).await? else { return Ok(None) };
        // A token that was good or is for others is no guess, and does not count as one.
        let (name, principal) = provider.principal(&claims).ok_or(RequestError::Unauthenticated)?;
        if self.authenticator.was_revoked(&name).await? {
            return Err(RequestError::Unauthenticated.into());
        }
        Ok(Some(principal))
    }

    fn admit(&self, name: Option<&str>, from: IpAddr) -> Result<(), RequestError> {
        match self.attempts.wait(name, from) {
            Some(wait) => Err(RequestError::LockedOut { wait }),
            None => Ok(()),
        }
    }

    fn count(&self, name: Option<&str>, from: IpAddr, is_known: bool) {
        match (is_known, name) {
            (false, _) => self.attempts.failed(name, from),
            (true, Some(name)) => self.attempts.succeeded(name, from),
            (true, None) => {}
        }
    }
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

/// Whose secret this says it is: `custos_NAME_SECRET`.
fn name_in(token: &[u8]) -> Option<PrincipalId> {
    let rest = std::str::from_utf8(token).ok()?.strip_prefix("custos_")?;
    let name = rest.get(..rest.len().checked_sub(SECRET_CHARS)?)?;
    name.strip_suffix('_')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_says_whose_it_is() {
        let token = |name: &str| format!("custos_{name}_{}", "a_-".repeat(15).split_at(43).0);
        let name = |token: &str| name_in(token.as_bytes()).map(|name| name.to_string());
        for own in ["ana", "a_b", "x@y.z", "custos_custos"] {
            assert_eq!(name(&token(own)).as_deref(), Some(own));
        }
        for none in ["", "custos_", "custos_ana_secret", &token(""), &token("\u{e4}"), "a.b.c"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
