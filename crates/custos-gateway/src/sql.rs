//! `POST /v1/sql`: a statement in, rows out; and why it gives these rows.

mod format;
mod rows;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Version};
use axum::response::Response;
use custos_core::Purpose;
use custos_policy::Principal;
use serde::Deserialize;

use crate::body::{Described, JsonBody};
use crate::caller::Caller;
use crate::error::RequestError;
use crate::gateway::App;
use crate::observe::CallId;
use crate::wire_error::Failure;
use format::Format;

/// The header that names the purpose.
const PURPOSE: &str = "x-custos-purpose";

/// A statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlRequest {
    sql: String,
}

impl Described for SqlRequest {
    const SHAPE: &'static str = r#"{"sql": "SELECT ..."}"#;
}

/// Runs a statement for the purpose of the header, or for the principal's default one.
pub(crate) async fn run(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(id): Extension<CallId>,
    version: Version,
    headers: HeaderMap,
    JsonBody(request): JsonBody<SqlRequest>,
) -> Result<Response, Failure> {
    let format = Format::asked_for(&headers, version)?;
    answer(&app, &principal, id, (format, &headers), &request.sql).await
}

/// Says which rules, purposes and terms decide what a statement sees, for the purpose of the
/// header or for the principal's default one: what `EXPLAIN POLICY` answers.
pub(crate) async fn explain(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(id): Extension<CallId>,
    version: Version,
    headers: HeaderMap,
    request: Result<Query<SqlRequest>, QueryRejection>,
) -> Result<Response, Failure> {
    // The rejection's own text quotes the address.
    let Query(request) = request.map_err(|_| RequestError::BadSqlParameter)?;
    let format = Format::asked_for(&headers, version)?;
    let sql = format!("EXPLAIN POLICY {}", request.sql);
    answer(&app, &principal, id, (format, &headers), &sql).await
}

async fn answer(
    app: &App,
    principal: &Principal,
    id: CallId,
    (format, headers): (Format, &HeaderMap),
    sql: &str,
) -> Result<Response, Failure> {
    let governor = &app.gateway.governor;
    let executor = &app.gateway.executor;
    let purpose = purpose(headers, governor.policy().default_purpose(principal))?;
    let governed = match governor.govern(sql, principal, &purpose).await {
        Ok(governed) => governed,
        Err(error) => {
            executor.record_refusal(principal, &purpose, &error).await?;
            return Err(error.into());
        }
    };
    let rows = executor.run(governed).await?;
    rows::answer(rows, format, id).await
}

/// The purpose that the headers name, or else the default one.
pub(crate) fn purpose(
    headers: &HeaderMap,
    default: Option<&Purpose>,
) -> Result<Purpose, RequestError> {
    let mut named = headers.get_all(PURPOSE).iter();
    match (named.next(), named.next()) {
        (None, _) => default.cloned().ok_or(RequestError::NoPurpose),
        (Some(named), None) => {
            let text = named.to_str().map_err(|_| RequestError::BadPurpose)?;
            text.trim().parse().map_err(|_| RequestError::BadPurpose)
        }
        // Two purposes of one question: no guess which one was meant.
        (Some(_), Some(_)) => Err(RequestError::BadPurpose),
    }
}

#[cfg(test)]
mod tests;
