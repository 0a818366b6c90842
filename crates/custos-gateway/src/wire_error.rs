//! The one table from kinds of failure to what clients see.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use custos_core::{Classify, ErrorKind};
use custos_query::QueryError;
use serde::Serialize;
use utoipa::ToSchema;

/// The status and the stable code of a kind.
const fn wire(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        ErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        ErrorKind::Throttled => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
        ErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
        ErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        ErrorKind::Integrity => (StatusCode::INTERNAL_SERVER_ERROR, "integrity"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// The SQLSTATE of a kind
/// ([PostgreSQL, appendix A](https://www.postgresql.org/docs/15/errcodes-appendix.html)).
pub(crate) const fn sqlstate(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "22023",
        ErrorKind::Unauthenticated => "28000",
        ErrorKind::Denied => "42501",
        ErrorKind::NotFound => "42P01",
        ErrorKind::Conflict => "40001",
        ErrorKind::TooLarge => "54000",
        ErrorKind::Throttled => "53400",
        ErrorKind::Unsupported => "0A000",
        ErrorKind::Timeout => "57014",
        ErrorKind::Unavailable => "57P03",
        ErrorKind::Integrity | ErrorKind::Internal => "XX000",
    }
}

/// The SQLSTATE of a statement that was not answered; drivers branch on those of mistakes in SQL.
pub(crate) fn sqlstate_of_query(error: &QueryError) -> &'static str {
    match error {
        QueryError::Syntax => "42601",
        QueryError::UnknownTable { .. } => "42P01",
        QueryError::UnknownColumn { .. } => "42703",
        QueryError::UnknownFunction { .. } => "42883",
        QueryError::Plan => "42804",
        QueryError::NoParameter { .. } => "42P02",
        QueryError::Cast => "22P02",
        QueryError::DivideByZero => "22012",
        QueryError::OutOfRange => "22003",
        QueryError::TimeOutOfRange => "22008",
        QueryError::SeveralRows => "21000",
        other => sqlstate(other.kind()),
    }
}

/// What a client is told of kinds whose details are for operators only.
pub(crate) const fn withheld(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Integrity => Some("stored data failed a check of integrity"),
        ErrorKind::Internal => Some("internal error"),
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Denied
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::Throttled
        | ErrorKind::Unsupported
        | ErrorKind::Timeout
        | ErrorKind::Unavailable => None,
    }
}

/// Why a handler has no answer.
///
/// As a response it carries itself to [`observe`](crate::observe::observe), which knows the id of
/// the request, logs the failure once and writes the [`Problem`].
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    status: StatusCode,
    hint: Option<String>,
    error: Box<dyn Error + Send + Sync>,
    about: Option<String>,
    retry_after: Option<Duration>,
}

impl<E: Classify + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let (kind, hint, retry_after) = (error.kind(), error.hint(), error.retry_after());
        let (status, error) = (wire(kind).0, Box::new(error));
        Self { kind, status, hint, error, about: None, retry_after }
    }
}

/// A problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`.
    r#type: &'static str,
    /// What the status is called.
    title: &'static str,
    status: u16,
    /// What kind of failure it is; the same in all versions.
    #[schema(example = "denied")]
    code: &'static str,
    /// What went wrong, without any value of the request.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// The remedy.
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// The address of what exists although the request failed.
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// What an operator finds in the log.
    error_id: Option<String>,
}

impl Failure {
    /// Names the address of what exists although the request failed.
    pub(crate) fn about(mut self, address: String) -> Self {
        self.about = Some(address);
        self
    }

    /// The same with the status that HTTP has for just this.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        wire(self.kind).1
    }

    /// Logs what an operator must see. Its id is that of the request.
    pub(crate) fn log(&self, error_id: &str) {
        match self.kind {
            ErrorKind::Integrity | ErrorKind::Internal => {
                tracing::error!(error_id, code = self.code(), error = %Chain(&*self.error), "request failed");
            }
            ErrorKind::Unavailable => {
                tracing::warn!(error_id, code = self.code(), error = %Chain(&*self.error), "request failed");
            }
            ErrorKind::Invalid
            | ErrorKind::Unauthenticated
            | ErrorKind::Denied
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::TooLarge
            | ErrorKind::Throttled
            | ErrorKind::Unsupported
            | ErrorKind::Timeout => {}
        }
    }

    /// The answer that a client gets.
    pub(crate) fn problem(&self, error_id: &str) -> Response {
        let status = self.status;
        let mut response = (status, Json(self.document(error_id))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, and not before it helps.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }

    /// What a client is told.
    pub(crate) fn document(&self, error_id: &str) -> Problem {
        let (status, withheld) = (self.status, withheld(self.kind));
        Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code(),
            detail: withheld.map_or_else(|| self.error.to_string(), str::to_owned),
            hint: match withheld {
                None => self.hint.clone(),
                Some(_) => {
                    Some("give the operator the error id; the log has the rest under it".to_owned())
                }
            },
            instance: self.about.clone(),
            error_id: withheld.map(|_| error_id.to_owned()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// An error and its causes, joined by colons.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The code of a kind in gRPC.
pub(crate) const fn grpc_code(kind: ErrorKind) -> tonic::Code {
    match kind {
        ErrorKind::Invalid => tonic::Code::InvalidArgument,
        ErrorKind::Unauthenticated => tonic::Code::Unauthenticated,
        ErrorKind::Denied => tonic::Code::PermissionDenied,
        ErrorKind::NotFound => tonic::Code::NotFound,
        ErrorKind::Conflict => tonic::Code::Aborted,
        ErrorKind::TooLarge | ErrorKind::Throttled => tonic::Code::ResourceExhausted,
        ErrorKind::Unsupported => tonic::Code::Unimplemented,
        ErrorKind::Timeout => tonic::Code::DeadlineExceeded,
        ErrorKind::Unavailable => tonic::Code::Unavailable,
        ErrorKind::Integrity | ErrorKind::Internal => tonic::Code::Internal,
    }
}

impl Failure {
    /// The answer that a client of gRPC gets, which has room for one text only.
    pub(crate) fn status(&self, error_id: &str) -> tonic::Status {
        let text = match (withheld(self.kind), &self.hint) {
            (Some(text), _) => {
                format!(
                    "{text}; hint: give the operator the error id {error_id}; the log has the rest under it"
                )
            }
            (None, Some(hint)) => format!("{}; hint: {hint}", self.error),
            (None, None) => self.error.to_string(),
        };
        tonic::Status::new(grpc_code(self.kind), text)
    }
}

#[cfg(test)]
mod tests;
