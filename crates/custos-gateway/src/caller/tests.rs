use super::*;
use crate::Login;
use crate::testing::{Answer, observed, send};
use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use custos_core::{PrincipalId, StoreError};

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
        let principal = || Principal { id: "ana".parse().unwrap(), roles: Vec::new() };
        Ok((self.sha256 == *sha256).then(principal))
    }

    async fn principal(&self, _name: &PrincipalId) -> Result<Option<Principal>, StoreError> {
        Ok(None)
    }

    async fn login(&self, _name: &PrincipalId) -> Result<Option<Login>, StoreError> {
        Ok(None)
    }

    fn salt(&self, _name: &str) -> [u8; 16] {
        [0; 16]
    }
}

#[derive(Clone)]
struct Known(Arc<dyn Authenticator>);

impl FromRef<Known> for Arc<dyn Authenticator> {
    fn from_ref(known: &Known) -> Self {
        Self::clone(&known.0)
    }
}

async fn who(Caller(principal): Caller) -> String {
    principal.id.to_string()
}

async fn ask(available: bool, headers: &str) -> Answer {
    let fake = Fake { sha256: Sha256::digest(b"s3cret").into(), available };
    let router = observed(Router::new().route("/who", get(who)));
    let router = router.with_state(Known(Arc::new(fake)));
    send(router, &format!("GET /who HTTP/1.1{headers}"), "").await
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
