//! `POST /v1/keys/unwrap`: the key of an export, for whoever reads its file elsewhere.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Described, JsonBody};
use crate::caller::Caller;
use crate::gateway::App;
use crate::wire_error::Failure;

/// What stands in the footer of an export.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnwrapRequest {
    /// What stands in the place of the wrapped key.
    key: String,
    /// What stands in the place of the id of the master key.
    master_key: String,
}

impl Described for UnwrapRequest {
    const SHAPE: &'static str = r#"{"key": "WRAPPED_KEY", "master_key": "MASTER_KEY_ID"}"#;
}

/// The key of an export.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnwrappedKey<'a> {
    /// As base64.
    key: &'a str,
}

/// Gives out a key as base64, while the export is open and the caller has the right to it.
#[utoipa::path(
    post,
    path = "/v1/keys/unwrap",
    tag = "exports",
    request_body = UnwrapRequest,
    responses((status = 200, description = "The key", body = UnwrappedKey<'static>))
)]
pub(crate) async fn unwrap(
    State(app): State<App>,
    Caller(principal): Caller,
    JsonBody(request): JsonBody<UnwrapRequest>,
) -> Result<Response, Failure> {
    let key = app.gateway.exports.key(&request.key, &request.master_key, &principal).await?;
    let body = Json(UnwrappedKey { key: key.base64() });
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
