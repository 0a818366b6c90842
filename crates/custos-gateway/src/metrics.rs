//! `/metrics`: figures of the process in the text format of Prometheus.
//!
//! Whoever can reach the address reads them, so that no figure tells of anybody: routes, outcomes
//! and durations, nothing of what was asked or read.

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use custos_query::Tally;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::RequestError;
use crate::gateway::App;
use crate::wire_error::Failure;

/// What the format is called.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the classes of durations, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Figures of all doors.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    connections: Family<DoorLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabels {
    door: &'static str,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Figures of the doors and of the statements that they have answered.
    pub fn new(statements: &Tally) -> Self {
        let mut registry = Registry::with_prefix("custos");
        statements.register(&mut registry);
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("http_requests", "Requests by route and status", requests.clone());
        let make = || Histogram::new(SECONDS);
        let seconds = Family::<RouteLabels, Histogram>::new_with_constructor(make);
        let help = "Time from a request to the beginning of its answer";
        registry.register_with_unit("http_request", help, Unit::Seconds, seconds.clone());
        let connections = Family::<DoorLabels, Gauge>::default();
        registry.register("connections", "Open connections by door", connections.clone());
        Self { registry, requests, seconds, connections }
    }

    /// Counts a request.
    pub(crate) fn answered(
        &self,
        method: &'static str,
        route: &str,
        status: u16,
        elapsed: Duration,
    ) {
        let route = route.to_owned();
        let labels = RequestLabels { method, route: route.clone(), status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(elapsed.as_secs_f64());
    }

    /// Where the open connections of a door are counted.
    pub(crate) fn connections(&self, door: &'static str) -> Gauge {
        self.connections.get_or_create(&DoorLabels { door }).clone()
    }

    fn shown(&self) -> Result<String, RequestError> {
        let mut shown = String::new();
        text::encode(&mut shown, &self.registry).map_err(|_| RequestError::WorkBrokeOff)?;
        Ok(shown)
    }
}

/// A connection that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    /// Counts a connection.
    pub(crate) fn counted_in(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Shows the figures.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    security(()),
    responses((
        status = 200,
        description = "Figures in the text format of OpenMetrics",
        body = String,
        content_type = "application/openmetrics-text"
    ))
)]
pub(crate) async fn show(State(app): State<App>) -> Result<Response, Failure> {
    Ok(([(header::CONTENT_TYPE, TEXT)], app.gateway.metrics.shown()?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_connections_are_counted() {
        let metrics = Metrics::new(&Tally::default());
        let open = Open::counted_in(&metrics.connections("postgres"));
        drop(Open::counted_in(&metrics.connections("postgres")));
        metrics.answered("GET", "/v1/privacy/requests/{id}", 404, Duration::from_millis(3));
        let shown = metrics.shown().unwrap();
        for line in [
            r#"custos_connections{door="postgres"} 1"#,
            r#"custos_http_requests_total{method="GET",route="/v1/privacy/requests/{id}",status="404"} 1"#,
            r#"custos_http_request_seconds_bucket{le="0.005",route="/v1/privacy/requests/{id}"} 1"#,
            "custos_statements_running 0",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        drop(open);
        assert!(metrics.shown().unwrap().contains(r#"custos_connections{door="postgres"} 0"#));
    }
}
