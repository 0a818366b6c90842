//! Tokens that an OpenID provider signed
//! ([OpenID Connect Core](https://openid.net/specs/openid-connect-core-1_0.html),
//! [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)).
//!
//! What a token says of its bearer counts while it lives. Its principal is `oidc:NAME`, which no
//! principal of the control store can be called, so a token gives nobody the rights, the secrets or
//! the tickets of a stored principal, and the audit log tells the two apart. A name that was revoked
//! in the control store is shut out here, too.

mod keys;
mod provider;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use custos_core::{Classify, Clock, ErrorKind, PrincipalId, Purpose};
use custos_policy::Principal;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use reqwest::Url;
use serde_json::Value;

use self::keys::KeyCache;
use self::provider::Provider;

/// Whose tokens are accepted, and what in them counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The provider, as its tokens name it in `iss`. Its keys are found below this address.
    pub issuer: String,
    /// Whom tokens have to be for: one of those that they name in `aud`.
    pub audience: String,
    /// The claim with the name of the bearer. This and the claims below are the name of a member, or
    /// a [JSON pointer](https://www.rfc-editor.org/rfc/rfc6901) such as `/realm_access/roles`.
    pub name_claim: String,
    /// The claim with the roles: a list of texts, or one text.
    pub roles_claim: String,
    /// The claim with the purposes that the bearer is confined to; a token without it opens none.
    pub purposes_claim: Option<String>,
}

/// Why settings are of no use.
#[derive(Debug, thiserror::Error)]
pub enum OidcProblem {
    /// An address at which anybody could answer.
    #[error("the issuer is no address that begins with https://, or with http:// on loopback")]
    Address,
    /// The client of HTTP could not be made.
    #[error("no connection to the issuer can be made")]
    Client(#[source] reqwest::Error),
}

/// There are no keys to tell whether a token is good.
#[derive(Debug, thiserror::Error)]
#[error("the provider that signs tokens does not answer")]
pub(crate) struct ProviderUnavailable;

impl Classify for ProviderUnavailable {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    fn hint(&self) -> Option<String> {
        Some("try again later, or use a secret made by `custos principal add`".to_owned())
    }
}

/// How far the provider's clock and ours may differ.
const LEEWAY_SECONDS: i64 = 30;

/// What may sign: whoever can check such a signature cannot make one. `none` and HMAC with a public
/// key are no signatures.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A provider of identities, and what is known of it.
pub struct OidcProvider {
    settings: OidcSettings,
    keys: KeyCache,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcProvider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a token says whose signature holds. That says who made it, and not yet that it is of use.
pub(crate) struct Claims(Value);

/// The token, if it has the form of a signed one
/// ([RFC 7515, 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
pub(crate) fn signed(token: &[u8]) -> Option<&str> {
    let token = std::str::from_utf8(token).ok()?;
    let is_signed = token.split('.').count() == 3 && !token.starts_with("custos_");
    is_signed.then_some(token)
}

impl OidcProvider {
    /// Nothing is sent before the first token comes.
    pub fn new(settings: OidcSettings, clock: Arc<dyn Clock>) -> Result<Self, OidcProblem> {
        let provider = Provider::new(&settings.issuer)?;
        Ok(Self { settings, keys: KeyCache::new(provider), clock })
    }

    /// What a token says, if this provider signed it.
    pub(crate) async fn verify(&self, token: &str) -> Result<Option<Claims>, ProviderUnavailable> {
        let Ok(header) = decode_header(token) else { return Ok(None) };
        // What is critical has to be understood, and nothing is.
        if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Ok(None);
        }
        let Some(id) = header.kid else { return Ok(None) };
        let Some(key) = self.keys.find(&id).await? else { return Ok(None) };
        let Some(key) = key.for_algorithm(header.alg) else { return Ok(None) };
        // Claims are held against our own clock, in `principal`.
        let mut signature_only = Validation::new(header.alg);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        Ok(decode::<Value>(token, key, &signature_only).ok().map(|token| Claims(token.claims)))
    }

    /// The name and the principal of a token's bearer; none if the token is for somebody else, not
    /// valid now, or names nobody.
    pub(crate) fn principal(&self, claims: &Claims) -> Option<(PrincipalId, Principal)> {
        let Self { settings, clock, .. } = self;
        let now = clock.now().micros() / 1_000_000;
        let is_for_us = claims.texts("aud")?.any(|audience| audience == settings.audience);
        let is_over = claims.instant("exp")?.saturating_add(LEEWAY_SECONDS) <= now;
        let has_begun = match claims.0.get("nbf") {
            Some(_) => claims.instant("nbf")?.saturating_sub(LEEWAY_SECONDS) <= now,
            None => true,
        };
        if claims.0.get("iss")?.as_str()? != settings.issuer || !is_for_us || is_over || !has_begun
        {
            return None;
        }
        let name = claims.find(&settings.name_claim)?.as_str()?;
        let name: PrincipalId = name.parse().ok()?;
        let id = PrincipalId::of_provider(&name).ok()?;
        let roles = claims.texts(&settings.roles_claim);
        let roles = roles.into_iter().flatten().map(str::to_owned).collect();
        let purposes = settings.purposes_claim.as_ref().map(|claim| claims.purposes(claim));
        Some((name, Principal { purposes, ..Principal::new(id, roles) }))
    }
}

impl Claims {
    fn find(&self, name: &str) -> Option<&Value> {
        match name.starts_with('/') {
            true => self.0.pointer(name),
            false => self.0.get(name),
        }
    }

    /// A list of texts, or one text.
    fn texts(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let texts = match self.find(name)? {
            Value::Array(texts) => texts.as_slice(),
            text => std::slice::from_ref(text),
        };
        Some(texts.iter().filter_map(Value::as_str))
    }

    /// Seconds since 1970, which may have a fraction
    /// ([RFC 7519, 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
    #[expect(clippy::cast_possible_truncation, reason = "beyond the range it saturates")]
    fn instant(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// What is no purpose opens none.
    fn purposes(&self, claim: &str) -> Vec<Purpose> {
        let texts = self.texts(claim);
        texts.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Whether what comes from an address is from whom the address names.
fn is_safe(address: &Url) -> bool {
    let is_loopback = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    match address.scheme() {
        "https" => true,
        "http" => address.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
