//! `POST /v1/keys/unwrap`: the key of an export, for whoever reads its file elsewhere.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::body::{Described, JsonBody};
use crate::caller::Caller;
use crate::gateway::App;
use crate::wire_error::Failure;

/// What stands in the footer of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnwrapRequest {
    key: String,
    master_key: String,
}

impl Described for UnwrapRequest {
    const SHAPE: &'static str = r#"{"key": "WRAPPED_KEY", "master_key": "MASTER_KEY_ID"}"#;
}

/// Gives out a key as base64, while the export is open and the caller has the right to it.
pub(crate) async fn unwrap(
    State(app): State<App>,
    Caller(principal): Caller,
    JsonBody(request): JsonBody<UnwrapRequest>,
) -> Result<Response, Failure> {
    let key = app.gateway.exports.key(&request.key, &request.master_key, &principal).await?;
    let body = Json(json!({"key": key.base64()}));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
