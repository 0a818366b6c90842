//! How figures are printed and summed up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

/// Times each thing is measured; the median counts.
pub(crate) const RUNS: usize = 5;

/// Whether a part of a bench is among those that an environment variable names, as all are without
/// it.
pub(crate) fn is_wanted(variable: &str, part: &str) -> bool {
    let wanted = std::env::var(variable).ok();
    wanted.is_none_or(|wanted| wanted.split_whitespace().any(|wanted| wanted == part))
}

/// Prints figures as they come.
pub(crate) struct Report {
    pub(crate) json: bool,
}

impl Report {
    pub(crate) fn line(&self, name: &str, figures: &BTreeMap<&str, f64>) -> Result<()> {
        let mut text = String::new();
        if self.json {
            let mut object = json!({ "name": name });
            for (figure, value) in figures {
                object[*figure] = json!(value);
            }
            text = object.to_string();
        } else {
            write!(text, "{name:32}")?;
            for (figure, value) in figures {
                write!(text, "  {figure} {value:.4}")?;
            }
        }
        writeln!(std::io::stdout().lock(), "{text}")?;
        Ok(())
    }

    /// Seconds beside those of a baseline.
    pub(crate) fn beside(&self, name: &str, ours: Duration, base: Duration) -> Result<()> {
        let (ours, base) = (ours.as_secs_f64(), base.as_secs_f64());
        let figures = [("seconds", ours), ("baseline_seconds", base), ("ratio", ours / base)];
        self.line(name, &BTreeMap::from(figures))
    }

    /// Says on standard error what is going on.
    pub(crate) fn note(&self, text: &str) -> Result<()> {
        writeln!(std::io::stderr().lock(), "{text}")?;
        Ok(())
    }
}

pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How long something takes.
pub(crate) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let value = work.await?;
    Ok((began.elapsed(), value))
}

/// Begins to count the most memory that this process holds anew.
pub(crate) fn forget_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("the kernel keeps no peak of memory")
}

/// The most memory that this process held since [`forget_peak`], in bytes.
pub(crate) fn peak_bytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 =
        line.and_then(|line| line.split_whitespace().next()).context("VmHWM")?.parse()?;
    Ok(kib * 1024.0)
}
