//! Printing: facts on standard output, everything else on standard error.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;
use crate::telemetry::Traces;

/// Sends the log to standard error; `CUSTOS_LOG` sets its level.
///
/// The level is that of our own crates. Libraries are held to errors whatever it says, since some
/// log statements and plans with the values in them when asked for more.
///
/// Traces go to a collector while what is returned lives, if the environment names one.
#[must_use = "dropped, it ends the traces"]
pub(crate) fn start_log(verbose: bool) -> Option<Traces> {
    let ours = std::env::var("CUSTOS_LOG")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(if verbose { LevelFilter::INFO } else { LevelFilter::ERROR });
    let levels = Targets::new().with_default(LevelFilter::ERROR).with_target("custos", ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let traces = Traces::begin();
    let spans = traces.as_ref().map(|traces| {
        let ours = Targets::new().with_target("custos", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_filter(ours)
    });
    tracing_subscriber::registry().with(lines.with_filter(levels)).with(spans).init();
    traces
}

/// Prints a line of facts.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.as_ref()) {
        // Who reads no further has what they want.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value)?)
}

/// Prints what went wrong.
pub(crate) fn problem(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _written = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a remark that is no fact.
pub(crate) fn note(text: impl AsRef<str>) {
    problem(text.as_ref());
}

/// A table for people.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// A bar on standard error, hidden where nobody looks; `of` 0 is a count without an end.
pub(crate) fn progress(label: &str, of: u64) -> ProgressBar {
    let (bar, template) = if of == 0 {
        (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos} {elapsed}")
    } else {
        (ProgressBar::new(of), "{bar:30} {msg} {human_pos}/{human_len} {elapsed}")
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
