//! Steps of a task: a header, the work, the time it took.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::console::say;

/// Does `work` under a header, and says how long it took.
///
/// # Errors
/// Those of `work`, with the step's name.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("== {name}"));
    let begun = Instant::now();
    let done = work().with_context(|| format!("step `{name}` failed"))?;
    say(&format!("== {name}: done in {:.1} s\n", begun.elapsed().as_secs_f64()));
    Ok(done)
}

/// Runs `command` with the streams of this process.
///
/// # Errors
/// It did not start, or did not end well.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().context("the command did not start")?;
    if status.success() { Ok(()) } else { bail!("the command ended with {status}") }
}
