//! DuckDB and delta-rs, from the Python package index, on the same plain files.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use custos_testkit::python_with;
use serde_json::{Value, json};

use crate::plain::Plain;

const PACKAGES: [(&str, &str); 3] =
    [("duckdb", "2.0.0"), ("deltalake", "1.6.6"), ("pyarrow", "26.0.1")];

/// A Python process that does one job after the other.
pub(crate) struct Others {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Others {
    pub(crate) fn start() -> Result<Self> {
        let python = python_with(&PACKAGES)?;
        let mut child = Command::new(python)
            .args(["-c", include_str!("others.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let jobs = child.stdin.take().context("no way in")?;
        let answers = BufReader::new(child.stdout.take().context("no way out")?);
        Ok(Self { child, jobs, answers })
    }

    /// How long DuckDB takes for a query, several times.
    pub(crate) fn query(&mut self, plain: &Plain, sql: &str, runs: usize) -> Result<Vec<Duration>> {
        self.ask(plain, json!({ "job": "query", "sql": sql, "runs": runs }))
    }

    /// How long DuckDB takes to write the files without each set of subjects.
    pub(crate) fn duckdb_erase(
        &mut self,
        plain: &Plain,
        subjects: &[Vec<u32>],
        group: usize,
    ) -> Result<Vec<Duration>> {
        self.ask(plain, json!({ "job": "duckdb_erase", "subjects": subjects, "group": group }))
    }

    /// How long delta-rs takes to delete each set of subjects.
    pub(crate) fn deltars_erase(
        &mut self,
        plain: &Plain,
        subjects: &[Vec<u32>],
    ) -> Result<Vec<Duration>> {
        self.ask(plain, json!({ "job": "deltars_erase", "subjects": subjects }))
    }

    fn ask(&mut self, plain: &Plain, mut job: Value) -> Result<Vec<Duration>> {
        job["folder"] = json!(plain.folder);
        job["files"] = json!(plain.files()?);
        job["threads"] = json!(std::thread::available_parallelism()?.get());
        writeln!(self.jobs, "{job}")?;
        self.jobs.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "the Python process ended");
        let seconds: Vec<f64> = serde_json::from_str(&answer)?;
        Ok(seconds.into_iter().map(Duration::from_secs_f64).collect())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
