//! Printing: facts on standard output, everything else on standard error.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Sends the log to standard error; `CUSTOS_LOG` sets it finer.
pub(crate) fn start_log(verbose: bool) {
    let level = if verbose { "info" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CUSTOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
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
