//! Whether the process lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::gateway::App;
use crate::wire_error::Failure;

/// What a probe is told.
#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// The process lives.
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The control store and the lake tell who is visible, so statements can be answered.
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>, Failure> {
    app.gateway.executor.visibility().await?;
    Ok(Json(Health { status: "ok" }))
}
