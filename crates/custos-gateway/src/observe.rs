//! What happens around every request: an id, a span, one line in the log.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::Extractor;
use opentelemetry::{Context, global};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::metrics::Metrics;
use crate::wire_error::Failure;

/// The id of a request; of a failure in it too.
#[derive(Debug, Clone)]
pub(crate) struct CallId(Arc<str>);

impl CallId {
    /// A random id.
    pub(crate) fn fresh() -> Self {
        let mut bytes = [0; 8];
        if getrandom::fill(&mut bytes).is_err() {
            // An id that is not unique is no reason not to answer.
            tracing::warn!("no randomness for the id of a request");
        }
        Self(format!("{:016x}", u64::from_be_bytes(bytes)).into())
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives a request an id and a span, writes its failure, and logs how it went.
///
/// Logs have the template of the address and never the address, since addresses hold values.
pub(crate) async fn observe(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = CallId::fresh();
    let started = Instant::now();
    let (method, route) = (method(request.method()), route(&request));
    let span = tracing::info_span!("request", id = id.as_str(), method, route);
    // Without a collector there is nothing to be part of.
    let _untraced = span.set_parent(trace_of(request.headers()));
    request.extensions_mut().insert(id.clone());
    let response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| {
        let response = written(response, &id);
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        metrics.answered(method, &route, status, elapsed);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status, millis, "request answered");
        response
    })
}

/// The response with its problem, if it failed, and with the headers that all have.
fn written(mut response: Response, id: &CallId) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Arc<Failure>>() {
        failure.log(id.as_str());
        response = failure.problem(id.as_str());
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert("x-request-id", id);
    }
    response
}

/// The trace that the request is a part of, if its headers name one
/// ([Trace Context](https://www.w3.org/TR/trace-context/)).
fn trace_of(headers: &HeaderMap) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&Headers(headers)))
}

/// Headers as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The method, unless the client made it up.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or("none", MatchedPath::as_str).to_owned()
}

#[cfg(test)]
mod tests;
