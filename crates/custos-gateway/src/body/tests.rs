use super::*;
use crate::sent_memory::SENT_BYTES;
use crate::testing::{Answer, observed, send};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    number: u8,
}

impl Described for Sample {
    const SHAPE: &'static str = r#"{"number": 1}"#;
}

async fn number(JsonBody(sample): JsonBody<Sample>) -> String {
    sample.number.to_string()
}

async fn post_it(body: &str) -> Answer {
    let route = post(number).layer(DefaultBodyLimit::max(64));
    let router = observed(Router::new().route("/number", route));
    send(router, "POST /number HTTP/1.1", body).await
}

#[tokio::test]
async fn a_body_is_read_whatever_its_type_is_called() {
    assert_eq!(post_it(r#"{"number": 7}"#).await.body(), ("7".to_owned(), true));
}

#[tokio::test]
async fn nothing_of_a_wrong_body_is_repeated() {
    for body in [
        r#"{"number": "canary"}"#,
        r#"{"number": 1, "canary": 2}"#,
        r#"{"number": 1} canary"#,
        "canary",
        "",
    ] {
        let answer = post_it(body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        assert_eq!(answer.json()["hint"], r#"send {"number": 1}"#);
    }
}

#[tokio::test]
async fn a_long_body_is_too_large() {
    let answer = post_it(&" ".repeat(65)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json()["code"], "too_large");
}

#[tokio::test]
async fn a_body_takes_memory_once_it_is_long_and_until_it_is_understood() {
    let read = async |parts: &[u64], bytes_max: u64| {
        let arriving = Arriving::new(ClientMemory::up_to(bytes_max));
        let part = |len: &u64| Ok::<_, BoxError>(vec![b'x'; usize::try_from(*len).unwrap()]);
        let body =
            Body::from_stream(futures::stream::iter(parts.iter().map(part).collect::<Vec<_>>()));
        let read = axum::body::to_bytes(arriving.metered(body), usize::MAX).await;
        assert_eq!(arriving.is_full.load(Ordering::Relaxed), read.is_err());
        let held = arriving.memory.lock().unwrap().held();
        read.map(|bytes| (bytes.len() as u64, held)).ok()
    };
    assert_eq!(read(&[SENT_BYTES], 0).await, Some((SENT_BYTES, 0)));
    assert_eq!(read(&[SENT_BYTES, 40, 60], 100).await, Some((SENT_BYTES + 100, 100)));
    assert_eq!(read(&[SENT_BYTES, 40, 61], 100).await, None);
    assert_eq!(read(&[SENT_BYTES + 1], 0).await, None);
}
