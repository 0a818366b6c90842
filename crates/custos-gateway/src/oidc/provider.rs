//! Where a provider's keys are, and what they are.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde_json::Value;

use super::{OidcProblem, is_safe};

/// For each connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A provider's place.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    http: Client,
    issuer: String,
}

/// A public key.
pub(super) struct Key {
    key: DecodingKey,
    algorithm: Option<Algorithm>,
}

impl Key {
    /// The key, if it may be used so.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        let is_meant = self.algorithm.is_none_or(|meant| meant == algorithm);
        (is_meant && self.key.family() == algorithm.family()).then_some(&self.key)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("a request failed")]
    Http(#[from] reqwest::Error),
    #[error("an answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("an answer is not the JSON that it should be")]
    NotJson(#[from] serde_json::Error),
    #[error("it says that it is another issuer")]
    OtherIssuer,
    #[error("its keys are at no address that begins with https://")]
    UnsafeKeys,
}

/// What is needed of [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<Value>,
}

impl Provider {
    pub(super) fn new(issuer: &str) -> Result<Self, OidcProblem> {
        let address = Url::parse(issuer).ok().filter(is_safe).ok_or(OidcProblem::Address)?;
        let client = Client::builder()
            .use_rustls_tls()
            // Keys come from where the provider says that they are and from nowhere else.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIME_MAX);
        // What is on this machine is not looked for elsewhere.
        let client = if address.scheme() == "http" { client.no_proxy() } else { client };
        let http = client.build().map_err(OidcProblem::Client)?;
        Ok(Self { http, issuer: issuer.to_owned() })
    }

    /// The keys of now, by id. Those that are of no use here are left out.
    pub(super) async fn keys(&self) -> Result<HashMap<String, Key>, FetchError> {
        let below = self.issuer.trim_end_matches('/');
        let metadata = self.get(&format!("{below}/.well-known/openid-configuration")).await?;
        let metadata: Metadata = serde_json::from_slice(&metadata)?;
        if metadata.issuer != self.issuer {
            return Err(FetchError::OtherIssuer);
        }
        if !is_safe(&metadata.jwks_uri) {
            return Err(FetchError::UnsafeKeys);
        }
        let list: KeyList = serde_json::from_slice(&self.get(metadata.jwks_uri.as_str()).await?)?;
        Ok(list.keys.into_iter().filter_map(key).collect())
    }

    async fn get(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        let mut answer = self.http.get(address).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A key that signatures can be checked with, and only checked.
fn key(json: Value) -> Option<(String, Key)> {
    let algorithm = match json.get("alg") {
        Some(algorithm) => Some(algorithm.as_str()?.parse().ok()?),
        None => None,
    };
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let is_public = matches!(
        jwk.algorithm,
        AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
    );
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
    let verifies = |of: &Vec<KeyOperations>| of.contains(&KeyOperations::Verify);
    if !is_public || !signs || !common.key_operations.as_ref().is_none_or(verifies) {
        return None;
    }
    let key = Key { key: DecodingKey::from_jwk(&jwk).ok()?, algorithm };
    Some((jwk.common.key_id?, key))
}
