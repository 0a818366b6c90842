//! `/v1/statements`: statements whose answers are fetched later.
//!
//! A statement starts at once and is held before its rows leave. It stays within the limits that
//! all statements have, the time that its rows wait to be fetched included.

mod kept;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::{StreamExt, stream};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::Instrument;
use utoipa::IntoParams;

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::error::RequestError;
use crate::gateway::App;
use crate::idempotency::IdempotencyKey;
use crate::observe::CallId;
use crate::openapi::{KeyHeader, PurposeHeader, Rows};
use crate::sql::format::Format;
use crate::sql::{Asker, SqlRequest, rows};
use crate::wire_error::Failure;
pub(crate) use kept::Statements;
use kept::Status;

/// Longest wait for a change of a statement, in seconds.
const WAIT_SECONDS_MAX: u64 = 30;

/// How long to wait for an answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    /// Seconds to wait for it to end or for its first rows.
    #[serde(default)]
    #[param(maximum = 30)]
    wait: u64,
}

/// Starts a statement. The same idempotency key of the same principal starts it once.
#[utoipa::path(
    post,
    path = "/v1/statements",
    tag = "statements",
    request_body = SqlRequest,
    params(PurposeHeader, KeyHeader),
    responses((status = 202, description = "It was started", body = Status, headers(("location", description = "Its address"))))
)]
pub(crate) async fn submit(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(id): Extension<CallId>,
    key: IdempotencyKey,
    headers: HeaderMap,
    JsonBody(request): JsonBody<SqlRequest>,
) -> Result<Response, Failure> {
    let asker = Asker::of(&app.gateway, principal, &headers)?;
    let now = app.gateway.clock.now();
    let digest = digest(&asker, &request);
    let (statement, is_new) = app.statements.keep(asker, now, (key.0, digest))?;
    if is_new {
        let (gateway, statement) = (app.gateway, Arc::clone(&statement));
        let work = async move { statement.run(&gateway, &request, id).await };
        app.tasks.start(work.in_current_span());
    }
    let address = [(header::LOCATION, statement.address())];
    Ok((StatusCode::ACCEPTED, address, Json(statement.status())).into_response())
}

/// The caller's statements, the newest first.
#[utoipa::path(
    get,
    path = "/v1/statements",
    tag = "statements",
    responses((status = 200, description = "The caller's statements", body = Vec<Status>))
)]
pub(crate) async fn list(State(app): State<App>, Caller(principal): Caller) -> Json<Vec<Status>> {
    Json(app.statements.of(&principal.id))
}

/// How a statement is doing, at once or as soon as that changes within so many seconds.
#[utoipa::path(
    get,
    path = "/v1/statements/{id}",
    tag = "statements",
    params(("id" = String, Path, description = "The id of the statement"), WaitQuery),
    responses((status = 200, description = "How it is doing", body = Status))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(principal): Caller,
    id: Result<Path<String>, PathRejection>,
    wait: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<Status>, Failure> {
    let Query(WaitQuery { wait }) = wait.map_err(|_| RequestError::BadWait)?;
    if wait > WAIT_SECONDS_MAX {
        return Err(RequestError::BadWait.into());
    }
    let statement = app.statements.find(&statement_id(id)?, &principal.id)?;
    // Too late is as good as an answer: the status says that it still runs.
    let _late = tokio::time::timeout(Duration::from_secs(wait), statement.settled()).await;
    Ok(Json(statement.status()))
}

/// Gives the rows of a statement, once, as soon as there are some.
#[utoipa::path(
    get,
    path = "/v1/statements/{id}/rows",
    tag = "statements",
    params(("id" = String, Path, description = "The id of the statement")),
    responses(Rows)
)]
pub(crate) async fn fetch(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(call): Extension<CallId>,
    id: Result<Path<String>, PathRejection>,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = Format::asked_for(&headers, version)?;
    let statement = app.statements.find(&statement_id(id)?, &principal.id)?;
    statement.settled().await;
    match statement.take(&app.gateway, &principal).await? {
        Ok(taken) => {
            let columns = Arc::clone(taken.rows.schema());
            let first = stream::iter(taken.first.map(Ok));
            rows::answer(&columns, first.chain(taken.rows), format, call).await
        }
        Err(problem) => Ok(problem),
    }
}

/// Stops a statement; its rows are gone.
#[utoipa::path(
    delete,
    path = "/v1/statements/{id}",
    tag = "statements",
    params(("id" = String, Path, description = "The id of the statement")),
    responses((status = 200, description = "It does not run any more", body = Status))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(principal): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Status>, Failure> {
    let statement = app.statements.find(&statement_id(id)?, &principal.id)?;
    statement.cancel();
    Ok(Json(statement.status()))
}

fn statement_id(id: Result<Path<String>, PathRejection>) -> Result<String, RequestError> {
    id.map(|Path(text)| text).map_err(|_| RequestError::NoSuchStatement)
}

/// Tells one request from another.
fn digest(asker: &Asker, request: &SqlRequest) -> [u8; 32] {
    let mut digest = Sha256::new();
    let values = request.parameters.iter().map(ToString::to_string);
    for part in [asker.purpose.to_string(), request.sql.clone()].into_iter().chain(values) {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
