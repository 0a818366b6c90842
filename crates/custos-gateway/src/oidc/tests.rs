use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use custos_core::Timestamp;
use futures::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// When the tests happen, in seconds since 1970.
const NOW: i64 = 1_800_000_000;

#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn settings() -> OidcSettings {
    OidcSettings {
        issuer: "https://id.example.test".to_owned(),
        audience: "custos".to_owned(),
        name_claim: "sub".to_owned(),
        roles_claim: "roles".to_owned(),
        purposes_claim: None,
    }
}

fn provider(settings: OidcSettings) -> OidcProvider {
    OidcProvider::new(settings, Arc::new(At(Timestamp::from_micros(NOW * 1_000_000)))).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example.test", "aud": ["other", "custos"], "exp": NOW + 60,
        "nbf": NOW, "sub": "ana", "roles": ["analyst", 7, "officer"], "purposes": ["analytics"],
    })
}

/// What the claims come to with a change of one.
fn with(settings: OidcSettings, name: &str, value: Value) -> Option<Principal> {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    Some(provider(settings).principal(&Claims(claims))?.1)
}

#[test]
fn a_token_names_a_principal_of_its_own_kind() {
    let (name, principal) = provider(settings()).principal(&Claims(claims())).unwrap();
    assert_eq!(name.as_str(), "ana");
    assert_eq!(principal.id.as_str(), "oidc:ana");
    assert_eq!(principal.roles, ["analyst", "officer"]);
    assert_eq!(principal.purposes, None);
    let settings = OidcSettings {
        name_claim: "/user/name".to_owned(),
        roles_claim: "/user/role".to_owned(),
        ..settings()
    };
    let principal = with(settings, "user", json!({"name": "bo", "role": "officer"})).unwrap();
    assert_eq!((principal.id.as_str(), &*principal.roles[0]), ("oidc:bo", "officer"));
}

#[test]
fn a_token_for_others_or_of_another_time_or_of_nobody_is_of_no_use() {
    let refused = [
        ("iss", json!("https://id.example.test/")),
        ("iss", Value::Null),
        ("iss", json!(["https://id.example.test"])),
        ("aud", json!("Custos")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(NOW - LEEWAY_SECONDS)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("nbf", json!(NOW + LEEWAY_SECONDS + 1)),
        ("nbf", json!("now")),
        ("sub", json!("")),
        ("sub", json!("a b")),
        ("sub", json!("oidc:ana")),
        ("sub", json!(7)),
        ("sub", Value::Null),
    ];
    for (name, value) in refused {
        assert_eq!(with(settings(), name, value.clone()), None, "{name} {value}");
    }
    let taken = [
        ("aud", json!("custos")),
        ("exp", json!(NOW - LEEWAY_SECONDS + 1)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("nbf", json!(NOW + LEEWAY_SECONDS)),
        ("nbf", Value::Null),
    ];
    for (name, value) in taken {
        assert!(with(settings(), name, value.clone()).is_some(), "{name} {value}");
    }
    assert!(with(settings(), "roles", Value::Null).unwrap().roles.is_empty());
}

#[test]
fn purposes_confine_where_the_claim_is_named() {
    let confined = || OidcSettings { purposes_claim: Some("purposes".to_owned()), ..settings() };
    let purposes = |value| with(confined(), "purposes", value).unwrap().purposes.unwrap();
    let analytics = ["analytics".parse().unwrap()];
    assert_eq!(purposes(json!(["analytics", "No Purpose"])), analytics);
    assert_eq!(purposes(json!("analytics")), analytics);
    for none in [Value::Null, json!([]), json!(7), json!({"analytics": true})] {
        assert_eq!(purposes(none), [], "what is missing opens nothing");
    }
}

#[test]
fn keys_come_from_addresses_that_prove_whose_they_are() {
    let is_taken = |issuer: &str| {
        let settings = OidcSettings { issuer: issuer.to_owned(), ..settings() };
        OidcProvider::new(settings, Arc::new(At(Timestamp::from_micros(0)))).is_ok()
    };
    for issuer in ["https://id.example.test/x", "http://127.0.0.1:8200", "http://[::1]/x"] {
        assert!(is_taken(issuer), "{issuer}");
    }
    for issuer in ["http://id.example.test", "file:///etc", "id.example.test", "", "ftp://[::1]"] {
        assert!(!is_taken(issuer), "{issuer}");
    }
}

/// A provider that says what it is told to, and counts how often it is asked.
#[derive(Debug, Clone)]
struct Fake {
    asked: Arc<AtomicU32>,
    metadata: Value,
    keys: Value,
}

const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

impl Fake {
    /// Serves these keys under an issuer of its own, as long as the tasks live.
    async fn serve(keys: Value, change: impl Fn(&mut Value)) -> (Self, String, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        change(&mut metadata);
        let fake = Self { asked: Arc::default(), metadata, keys: json!({"keys": keys}) };
        let metadata = async |State(fake): State<Self>| Json(fake.metadata);
        let keys = async |State(fake): State<Self>| {
            fake.asked.fetch_add(1, Ordering::Relaxed);
            Json(fake.keys)
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .with_state(fake.clone());
        let mut tasks = JoinSet::new();
        let clear = Default::default();
        let serving =
            crate::http_listener::serve(listener, clear, router, std::future::pending::<()>());
        tasks.spawn(serving);
        (fake, issuer, tasks)
    }
}

fn cache(issuer: &str) -> KeyCache {
    KeyCache::new(Provider::new(issuer).unwrap())
}

#[tokio::test]
async fn keys_are_asked_for_once_whoever_wants_which() {
    let keys = json!([
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "one", "alg": "EdDSA"},
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "any", "use": "sig"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared2"},
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "enc", "use": "enc"},
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "signs", "key_ops": ["sign"]},
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "odd", "alg": "none"},
        {"kty": "OKP", "crv": "Ed25519", "x": ED25519},
        {"kty": "new", "kid": "new"},
        "no key",
    ]);
    let (fake, issuer, _tasks) = Fake::serve(keys, |_| ()).await;
    let cache = cache(&issuer);
    let found = join_all((0..50).map(|_| cache.find("one"))).await;
    assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
    for unknown in ["shared", "shared2", "enc", "signs", "odd", "new", "", "guess"] {
        assert!(cache.find(unknown).await.unwrap().is_none(), "{unknown}");
    }
    assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
    let key = cache.find("one").await.unwrap().unwrap();
    assert!(key.for_algorithm(Algorithm::EdDSA).is_some());
    assert!(key.for_algorithm(Algorithm::RS256).is_none());
    let any = cache.find("any").await.unwrap().unwrap();
    assert!(any.for_algorithm(Algorithm::EdDSA).is_some());
    assert!([Algorithm::HS256, Algorithm::ES256].iter().all(|it| any.for_algorithm(*it).is_none()));
}

#[tokio::test]
async fn a_provider_that_is_away_or_somebody_else_lets_nobody_in() {
    let key = json!([{"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "one"}]);
    let other = |metadata: &mut Value| metadata["issuer"] = "http://127.0.0.1:1".into();
    let unsafe_keys = |metadata: &mut Value| metadata["jwks_uri"] = "http://192.0.2.1/".into();
    let (_, issuer, _tasks) = Fake::serve(key.clone(), other).await;
    assert!(cache(&issuer).find("one").await.is_err());
    let (_, issuer, _tasks) = Fake::serve(key, unsafe_keys).await;
    assert!(cache(&issuer).find("one").await.is_err());
    assert!(cache("http://127.0.0.1:1").find("one").await.is_err());
}
