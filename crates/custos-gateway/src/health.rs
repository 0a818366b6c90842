//! Whether the process lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::App;
use crate::wire_error::Failure;

/// What a probe is told.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// The process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    security(()),
    responses((status = 200, description = "It lives", body = Health))
)]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The control store and the lake tell who is visible, so statements can be answered.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    security(()),
    responses((status = 200, description = "It can answer", body = Health))
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>, Failure> {
    app.gateway.executor.visibility().await?;
    Ok(Json(Health { status: "ok" }))
}
