//! `/v1/privacy/requests`: what people ask about their data.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use custos_audit::{Action, Entry, Outcome};
use custos_core::RequestId;
use custos_erasure::{ErasureError, ErasureService, Level, NewRequest, RequestView, SubjectRef};
use custos_policy::{Principal, Right};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{Described, JsonBody};
use crate::caller::Caller;
use crate::error::RequestError;
use crate::gateway::App;
use crate::idempotency::IdempotencyKey;
use crate::openapi::{KeyHeader, PrivacyRequest};
use crate::wire_error::Failure;

/// A request for erasure.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenRequest {
    /// What is asked.
    #[schema(pattern = "^erasure$", example = "erasure")]
    r#type: String,
    /// Whose data it is about: the type of an identifier, a colon, and the identifier.
    #[schema(example = "email:ana@example.com")]
    subject: String,
    /// The law it is made under.
    #[schema(example = "gdpr")]
    regime: String,
    /// Who made sure that the person is who they say.
    verified_by: Option<String>,
    /// The level of forgetting to wait for.
    #[schema(example = "L2")]
    wait: Option<String>,
}

impl Described for OpenRequest {
    const SHAPE: &'static str = r#"{"type": "erasure", "subject": "email:VALUE", "regime": "gdpr", "verified_by": "NAME", "wait": "L2"}; the last two may be left out"#;
}

/// Who verified a request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyRequest {
    /// Who made sure that the person is who they say.
    verified_by: String,
    /// The level of forgetting to wait for.
    #[schema(example = "L2")]
    wait: Option<String>,
}

impl Described for VerifyRequest {
    const SHAPE: &'static str =
        r#"{"verified_by": "NAME", "wait": "L2"}; the last one may be left out"#;
}

/// Receives a request. The person is in no query that starts after the answer.
///
/// 201 if the level waited for is reached, else 202.
#[utoipa::path(
    post,
    path = "/v1/privacy/requests",
    tag = "privacy",
    request_body = OpenRequest,
    params(KeyHeader),
    responses(
        (status = 201, description = "It was received, and the level waited for is reached", body = PrivacyRequest),
        (status = 202, description = "It was received", body = PrivacyRequest)
    )
)]
pub(crate) async fn open(
    State(app): State<App>,
    Caller(principal): Caller,
    key: IdempotencyKey,
    JsonBody(request): JsonBody<OpenRequest>,
) -> Result<Response, Failure> {
    let wait = level(request.wait.as_deref())?;
    let new = new_request(request, key.0)?;
    admit(&app, &principal, Action::RequestOpened, String::new()).await?;
    let service = Arc::clone(&app.gateway.erasure);
    let work = async move {
        let view = service.open(new, &principal).await?;
        advance(&service, view, wait, &principal).await
    };
    let view = app.tasks.finish(work).await??;
    let status = if reached(&view, wait) { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok((status, [(header::LOCATION, address(view.id))], Json(view)).into_response())
}

/// Records who verified a request, and works on it up to the level waited for.
///
/// 200 if nothing is waited for or the level is reached, else 202.
#[utoipa::path(
    post,
    path = "/v1/privacy/requests/{id}/verify",
    tag = "privacy",
    request_body = VerifyRequest,
    params(("id" = String, Path, description = "The id of the request")),
    responses(
        (status = 200, description = "It is verified, and what was waited for is done", body = PrivacyRequest),
        (status = 202, description = "It is verified", body = PrivacyRequest)
    )
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Caller(principal): Caller,
    id: Result<Path<String>, PathRejection>,
    JsonBody(request): JsonBody<VerifyRequest>,
) -> Result<Response, Failure> {
    let id = request_id(id)?;
    let wait = level(request.wait.as_deref())?;
    let verified_by = somebody(request.verified_by)?;
    admit(&app, &principal, Action::RequestVerified, id.to_string()).await?;
    let service = Arc::clone(&app.gateway.erasure);
    let work = async move {
        let view = service.verify(id, &verified_by, &principal).await?;
        advance(&service, view, wait, &principal).await
    };
    let view = app.tasks.finish(work).await??;
    let done = wait.is_none() || reached(&view, wait);
    let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view)).into_response())
}

/// Shows a request.
#[utoipa::path(
    get,
    path = "/v1/privacy/requests/{id}",
    tag = "privacy",
    params(("id" = String, Path, description = "The id of the request")),
    responses((status = 200, description = "The request", body = PrivacyRequest))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(principal): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<RequestView>, Failure> {
    Ok(Json(app.gateway.erasure.show(request_id(id)?, &principal).await?))
}

/// Lets those pass who may handle requests, and records that others tried.
///
/// The service refuses them too, but what it is not asked it cannot record.
async fn admit(
    app: &App,
    principal: &Principal,
    action: Action,
    object: String,
) -> Result<(), Failure> {
    let policy = app.gateway.governor.policy();
    let Err(denial) = policy.permits(principal, Right::Erase, None) else {
        return Ok(());
    };
    let entry = Entry {
        at: app.gateway.clock.now(),
        actor: principal.id.to_string(),
        action,
        object,
        purpose: None,
        outcome: Outcome::Refused,
        tie: None,
        detail: BTreeMap::from([("policy".to_owned(), policy.version().to_string())]),
    };
    app.gateway.audit.append(entry).await?;
    Err(ErasureError::Denied(denial).into())
}

/// Works on a request that exists. If that fails the client must still learn where it is.
async fn advance(
    service: &ErasureService,
    view: RequestView,
    wait: Option<Level>,
    principal: &Principal,
) -> Result<RequestView, Failure> {
    let Some(until) = wait else { return Ok(view) };
    let id = view.id;
    let advanced = service.advance(id, until, principal, &|_| ()).await;
    advanced.map_err(|error| Failure::from(error).about(address(id)))
}

fn reached(view: &RequestView, wait: Option<Level>) -> bool {
    wait.is_some_and(|level| view.level >= level)
}

fn address(id: RequestId) -> String {
    format!("/v1/privacy/requests/{id}")
}

fn new_request(request: OpenRequest, key: Option<String>) -> Result<NewRequest, RequestError> {
    if request.r#type != "erasure" {
        return Err(RequestError::UnknownRequestType);
    }
    Ok(NewRequest {
        subject: request.subject.parse::<SubjectRef>()?,
        regime: request.regime,
        verified_by: request.verified_by.map(somebody).transpose()?,
        key,
    })
}

fn level(name: Option<&str>) -> Result<Option<Level>, RequestError> {
    Ok(name.map(str::parse).transpose()?)
}

fn somebody(name: String) -> Result<String, RequestError> {
    if name.trim().is_empty() { Err(RequestError::NobodyVerified) } else { Ok(name) }
}

fn request_id(id: Result<Path<String>, PathRejection>) -> Result<RequestId, RequestError> {
    let Path(text) = id.map_err(|_| RequestError::BadRequestId)?;
    text.parse().map_err(|_| RequestError::BadRequestId)
}

#[cfg(test)]
mod tests;
