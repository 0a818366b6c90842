use super::*;
use crate::error::RequestError;
use axum::body::to_bytes;
use serde_json::{Value, json};

const KINDS: [ErrorKind; 12] = [
    ErrorKind::Invalid,
    ErrorKind::Unauthenticated,
    ErrorKind::Denied,
    ErrorKind::NotFound,
    ErrorKind::Conflict,
    ErrorKind::TooLarge,
    ErrorKind::Throttled,
    ErrorKind::Unsupported,
    ErrorKind::Timeout,
    ErrorKind::Unavailable,
    ErrorKind::Integrity,
    ErrorKind::Internal,
];

/// An error of any kind with a text and a cause.
#[derive(Debug, thiserror::Error)]
#[error("canary-display")]
struct Sample {
    kind: ErrorKind,
    #[source]
    cause: std::io::Error,
}

impl Classify for Sample {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn hint(&self) -> Option<String> {
        Some("canary-hint".to_owned())
    }
}

fn failure(kind: ErrorKind) -> Failure {
    Sample { kind, cause: std::io::Error::other("canary-cause") }.into()
}

async fn body(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_table_is_the_published_one() {
    let table = KINDS.map(|kind| {
        let (status, code) = wire(kind);
        (status.as_u16(), code)
    });
    assert_eq!(
        table,
        [
            (400, "invalid"),
            (401, "unauthenticated"),
            (403, "denied"),
            (404, "not_found"),
            (409, "conflict"),
            (413, "too_large"),
            (429, "throttled"),
            (501, "unsupported"),
            (504, "timeout"),
            (503, "unavailable"),
            (500, "integrity"),
            (500, "internal"),
        ]
    );
}

#[tokio::test]
async fn a_problem_says_what_the_caller_can_do() {
    let response = failure(ErrorKind::Conflict).about("/v1/thing/1".to_owned()).problem("id");
    assert_eq!(response.status(), 409);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        body(response).await,
        json!({
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "code": "conflict",
            "detail": "canary-display",
            "hint": "canary-hint",
            "instance": "/v1/thing/1",
        })
    );
}

#[tokio::test]
async fn defects_tell_their_id_and_nothing_else() {
    for kind in [ErrorKind::Internal, ErrorKind::Integrity] {
        let body = body(failure(kind).problem("00ff")).await;
        assert_eq!(body["error_id"], "00ff");
        assert!(!body.to_string().contains("canary"), "{body}");
    }
}

#[tokio::test]
async fn causes_are_for_the_log_only() {
    for kind in KINDS {
        let body = body(failure(kind).problem("id")).await;
        assert!(!body.to_string().contains("canary-cause"), "{body}");
    }
    let chain = Chain(&*failure(ErrorKind::Internal).error).to_string();
    assert_eq!(chain, "canary-display: canary-cause");
}

#[test]
fn only_who_did_not_authenticate_is_asked_to() {
    for kind in KINDS {
        let response = failure(kind).problem("id");
        let asked = response.headers().get(header::WWW_AUTHENTICATE);
        let expected = (kind == ErrorKind::Unauthenticated).then_some("Bearer");
        assert_eq!(asked.map(|value| value.to_str().unwrap()), expected);
    }
}

#[test]
fn a_failure_as_response_has_its_status() {
    let failure = Failure::from(RequestError::BodyTooLarge);
    assert_eq!(failure.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
}
