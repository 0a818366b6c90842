use super::*;
use std::sync::Arc;

use crate::testing::{Answer, observed, send};
use crate::{Authenticator, Login};
use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use custos_core::{PrincipalId, StoreError};
use sha2::{Digest, Sha256};

/// Knows one principal, or is out of order.
#[derive(Debug)]
struct Fake {
    sha256: [u8; 32],
    available: bool,
}

#[async_trait]
impl Authenticator for Fake {
    async fn principal_by_secret(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<Principal>, StoreError> {
        if !self.available {
            let source = Box::new(std::io::Error::other("gone"));
            return Err(StoreError::Unavailable { operation: "looking", source });
        }
        let principal = || Principal::new("ana".parse().unwrap(), Vec::new());
        Ok((self.sha256 == *sha256).then(principal))
    }

    async fn principal(&self, _name: &PrincipalId) -> Result<Option<Principal>, StoreError> {
        Ok(None)
    }

    async fn was_revoked(&self, _name: &PrincipalId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn login(&self, _name: &PrincipalId) -> Result<Option<Login>, StoreError> {
        Ok(None)
    }

    fn salt(&self, _name: &str) -> [u8; 16] {
        [0; 16]
    }
}

#[derive(Clone)]
struct Known(Identity);

impl FromRef<Known> for Identity {
    fn from_ref(known: &Known) -> Self {
        known.0.clone()
    }
}

async fn who(Caller(principal): Caller) -> String {
    principal.id.to_string()
}

async fn ask(available: bool, headers: &str) -> Answer {
    send(door(available), &format!("GET /who HTTP/1.1{headers}"), "").await
}

fn door(available: bool) -> Router {
    let fake = Fake { sha256: Sha256::digest(b"s3cret").into(), available };
    let identity = Identity { authenticator: Arc::new(fake), oidc: None, attempts: Arc::default() };
    let router = observed(Router::new().route("/who", get(who)));
    router.with_state(Known(identity))
}

#[tokio::test]
async fn who_guesses_has_to_wait_also_with_the_right_secret() {
    let door = door(true);
    let ask = async |secret: &str| {
        let head = format!("GET /who HTTP/1.1\r\nauthorization: Bearer {secret}");
        send(door.clone(), &head, "").await
    };
    for _ in 0..100 {
        assert_eq!(ask("guess").await.status(), 401);
    }
    for secret in ["guess", "s3cret"] {
        let answer = ask(secret).await;
        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&wait), "{wait}");
        assert_eq!(answer.json()["code"], "throttled");
    }
}

#[tokio::test]
async fn the_secret_tells_who_is_asking() {
    for header in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret"] {
        let answer = ask(true, &format!("\r\nauthorization: {header}")).await;
        assert_eq!(answer.body(), ("ana".to_owned(), true), "{header}");
    }
}

#[tokio::test]
async fn missing_and_unknown_tokens_look_the_same() {
    let missing = ask(true, "").await;
    assert_eq!(missing.status(), 401);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    for headers in [
        "\r\nauthorization: Bearer wrong",
        "\r\nauthorization: Bearer",
        "\r\nauthorization: Bearer ",
        "\r\nauthorization: Basic czNjcmV0",
        "\r\nauthorization: s3cret",
        "\r\nauthorization: \u{e4}",
        "\r\nauthorization: Bearer s3cret\r\nauthorization: Bearer s3cret",
    ] {
        let answer = ask(true, headers).await;
        assert_eq!(answer.status(), 401, "{headers}");
        assert_eq!(answer.body(), missing.body(), "{headers}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn nobody_passes_while_the_store_is_away() {
    let answer = ask(false, "\r\nauthorization: Bearer s3cret").await;
    assert_eq!(answer.status(), 503);
    assert!(!answer.text().contains("gone"));
}
