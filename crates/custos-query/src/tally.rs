//! How many statements there are, and how they end.

use std::time::Instant;

use custos_core::{Classify, ErrorKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::QueryError;

/// Upper bounds of the classes of durations, in seconds.
const SECONDS: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];

/// Counts statements by how they end. No figure depends on what statements read.
#[derive(Debug)]
pub struct Tally {
    running: Gauge,
    ended: Family<[(&'static str, &'static str); 1], Counter>,
    seconds: Histogram,
}

impl Default for Tally {
    fn default() -> Self {
        let (running, ended) = (Gauge::default(), Family::default());
        Self { running, ended, seconds: Histogram::new(SECONDS) }
    }
}

impl Tally {
    /// Shows the figures.
    pub fn register(&self, registry: &mut Registry) {
        let running = "Statements that are being answered";
        registry.register("statements_running", running, self.running.clone());
        let ended = "Statements that ended, by outcome";
        registry.register("statements", ended, self.ended.clone());
        let seconds = "Seconds from the start of a statement to its end, fetching included";
        registry.register("statement_seconds", seconds, self.seconds.clone());
    }

    /// Counts a statement from its start to its end.
    pub(crate) async fn measure(
        &self,
        statement: impl Future<Output = Result<(), QueryError>>,
    ) -> Result<(), QueryError> {
        let started = Instant::now();
        self.running.inc();
        let ended = statement.await;
        self.running.dec();
        self.seconds.observe(started.elapsed().as_secs_f64());
        self.count(ended.as_ref().err());
        ended
    }

    /// Counts a statement that was refused before it started.
    pub(crate) fn refused(&self, error: &QueryError) {
        self.count(Some(error));
    }

    fn count(&self, error: Option<&QueryError>) {
        let outcome = match error {
            None => "done",
            Some(QueryError::Cancelled) => "cancelled",
            Some(error) => match error.kind() {
                ErrorKind::Timeout => "timeout",
                ErrorKind::Denied => "denied",
                ErrorKind::TooLarge | ErrorKind::Throttled => "limited",
                ErrorKind::Unavailable | ErrorKind::Integrity | ErrorKind::Internal => "failed",
                _ => "refused",
            },
        };
        self.ended.get_or_create(&[("outcome", outcome)]).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[tokio::test]
    async fn statements_are_counted_by_their_end() {
        let (tally, mut registry) = (Tally::default(), Registry::default());
        tally.register(&mut registry);
        tally.measure(async { Ok(()) }).await.unwrap();
        for error in [QueryError::Timeout, QueryError::Cancelled] {
            tally.measure(async { Err(error) }).await.unwrap_err();
        }
        tally.refused(&QueryError::Syntax);
        let mut shown = String::new();
        encode(&mut shown, &registry).unwrap();
        for line in [
            "statements_running 0",
            r#"statements_total{outcome="done"} 1"#,
            r#"statements_total{outcome="timeout"} 1"#,
            r#"statements_total{outcome="cancelled"} 1"#,
            r#"statements_total{outcome="refused"} 1"#,
            "statement_seconds_count 3",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
    }
}
