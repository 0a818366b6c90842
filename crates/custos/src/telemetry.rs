//! Traces to a collector, if the environment names one.

use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::output;

/// What names a collector
/// ([OpenTelemetry, OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)).
const COLLECTOR: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Sends spans as long as it lives; dropped, it sends what is left.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send spans to the collector of the environment, over HTTP; nothing without one.
    ///
    /// Spans are requests by their route and statements by purpose and published tables. They hold
    /// nothing of what was asked or read.
    pub(crate) fn begin() -> Option<Self> {
        if COLLECTOR.iter().all(|name| std::env::var_os(name).is_none_or(|url| url.is_empty())) {
            return None;
        }
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(error) => {
                output::note(format!("traces are not sent: {error}"));
                return None;
            }
        };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let about = Resource::builder().with_service_name("custos").with_attribute(version).build();
        let provider =
            SdkTracerProvider::builder().with_resource(about).with_batch_exporter(exporter).build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        Some(Self(provider))
    }

    /// What spans are made with.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("custos")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Nobody is left to tell if the collector does not take the rest.
        let _unsent = self.0.shutdown();
    }
}
