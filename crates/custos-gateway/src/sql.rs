//! `POST /v1/sql`: a statement in, rows out; and why it gives these rows.

pub(crate) mod format;
mod parameters;
pub(crate) mod rows;

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Version};
use axum::response::Response;
use custos_core::Purpose;
use custos_policy::Principal;
use custos_query::{QueryError, Question, RowStream};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::body::{Described, JsonBody};
use crate::caller::Caller;
use crate::error::RequestError;
use crate::gateway::{App, Gateway};
use crate::observe::CallId;
use crate::openapi::{PurposeHeader, Rows};
use crate::wire_error::Failure;
use format::Format;

/// The header that names the purpose.
const PURPOSE: &str = "x-custos-purpose";

/// A statement with the values of its parameters.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlRequest {
    /// One SELECT, or EXPLAIN of one.
    #[schema(example = "SELECT order_id, amount FROM orders WHERE amount > $1")]
    pub(crate) sql: String,
    /// The values of `$1`, `$2` and so on: numbers, texts, truth values, `null` and arrays of them.
    #[serde(default)]
    #[schema(value_type = Vec<Value>, example = json!(["19.90"]))]
    pub(crate) parameters: Vec<Value>,
}

impl Described for SqlRequest {
    const SHAPE: &'static str =
        r#"{"sql": "SELECT ... WHERE a = $1", "parameters": [..]}; the last one may be left out"#;
}

/// Runs a statement for the purpose of the header, or for the principal's default one.
#[utoipa::path(
    post,
    path = "/v1/sql",
    tag = "statements",
    request_body = SqlRequest,
    params(PurposeHeader),
    responses(Rows)
)]
pub(crate) async fn run(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(id): Extension<CallId>,
    version: Version,
    headers: HeaderMap,
    JsonBody(request): JsonBody<SqlRequest>,
) -> Result<Response, Failure> {
    let format = Format::asked_for(&headers, version)?;
    let asker = Asker::of(&app.gateway, principal, &headers)?;
    let rows = asker.ask(&app.gateway, &request).await?;
    rows::answer(&Arc::clone(rows.schema()), rows, format, id).await
}

/// The address of an explanation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainQuery {
    /// One SELECT.
    #[param(example = "SELECT order_id FROM orders")]
    sql: String,
}

/// Says which rules, purposes and terms decide what a statement sees, for the purpose of the
/// header or for the principal's default one: what `EXPLAIN POLICY` answers.
#[utoipa::path(
    get,
    path = "/v1/policy/explain",
    tag = "statements",
    params(PurposeHeader, ExplainQuery),
    responses(Rows)
)]
pub(crate) async fn explain(
    State(app): State<App>,
    Caller(principal): Caller,
    Extension(id): Extension<CallId>,
    version: Version,
    headers: HeaderMap,
    request: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    // The rejection's own text quotes the address.
    let Query(request) = request.map_err(|_| RequestError::BadSqlParameter)?;
    let format = Format::asked_for(&headers, version)?;
    let sql = format!("EXPLAIN POLICY {}", request.sql);
    let asker = Asker::of(&app.gateway, principal, &headers)?;
    let rows = asker.ask(&app.gateway, &SqlRequest { sql, parameters: Vec::new() }).await?;
    rows::answer(&Arc::clone(rows.schema()), rows, format, id).await
}

/// Who asks, and what for.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) principal: Principal,
    pub(crate) purpose: Purpose,
}

impl Asker {
    /// For the purpose of the headers, or for the principal's default one.
    pub(crate) fn of(
        gateway: &Gateway,
        principal: Principal,
        headers: &HeaderMap,
    ) -> Result<Self, RequestError> {
        let purpose = purpose(headers, gateway.governor.policy().default_purpose(&principal))?;
        Ok(Self { principal, purpose })
    }

    /// Starts a statement. A refusal is in the audit log.
    pub(crate) async fn ask(
        &self,
        gateway: &Gateway,
        request: &SqlRequest,
    ) -> Result<RowStream, Failure> {
        let (governor, executor) = (&gateway.governor, &gateway.executor);
        let question = Question::new(&request.sql, &self.principal, &self.purpose);
        let governed = async {
            if request.parameters.is_empty() {
                return Ok(governor.govern_question(&question).await?);
            }
            let described = governor.describe(&question).await?;
            let values = parameters::bound(&described.parameters, &request.parameters)?;
            let question = Question { parameters: &values, ..question };
            Ok(governor.govern_question(&question).await?)
        };
        match governed.await {
            Ok(governed) => Ok(executor.run(governed).await?),
            Err(Unasked::Query(error)) => {
                executor.record_refusal(&self.principal, &self.purpose, &error).await?;
                Err(error.into())
            }
            Err(Unasked::Request(error)) => Err(error.into()),
        }
    }
}

/// Why a statement was not run.
enum Unasked {
    Query(QueryError),
    Request(RequestError),
}

impl From<QueryError> for Unasked {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<RequestError> for Unasked {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
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
