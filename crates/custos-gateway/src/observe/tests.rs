use super::*;
use crate::error::RequestError;
use crate::testing::{observed, send};
use axum::Router;
use axum::routing::get;

async fn broken() -> Failure {
    RequestError::WorkBrokeOff.into()
}

fn router() -> Router {
    let whole = get(async || "whole");
    observed(Router::new().route("/whole/{x}", whole).route("/broken", get(broken)))
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own_and_is_not_kept() {
    let first = send(router(), "GET /whole/1 HTTP/1.1", "").await;
    let second = send(router(), "GET /whole/1 HTTP/1.1", "").await;
    assert_eq!(first.body(), ("whole".to_owned(), true));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(first.header("x-request-id").unwrap().len(), 16);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn an_id_that_the_client_chose_is_not_taken() {
    let answer = send(router(), "GET /whole/1 HTTP/1.1\r\nx-request-id: mine", "").await;
    assert_ne!(answer.header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn the_error_id_is_the_id_of_the_request() {
    let answer = send(router(), "GET /broken HTTP/1.1", "").await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.json()["error_id"].as_str(), answer.header("x-request-id"));
}

#[test]
fn a_method_that_the_client_made_up_is_not_logged() {
    assert_eq!(method(&Method::POST), "POST");
    assert_eq!(method(&Method::from_bytes(b"ana").unwrap()), "other");
}
