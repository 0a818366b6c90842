//! Rules that neither the compiler nor clippy knows.
//!
//! Each rule reads the workspace's files and returns what it finds; the tests of the workspace run
//! every rule, and `cargo xtask tidy` runs them all at once. Exceptions are lists with reasons,
//! and an exception that is no longer needed is itself a finding.

mod exceptions;
mod files;
mod log_messages;
mod policies;
mod words;

pub use files::{file_lengths, module_docs, no_mod_rs};
pub use log_messages::log_messages;
pub use policies::policy_tests;
pub use words::{lint_escapes, machine_paths, markers};

use std::fmt;

use crate::{Sources, Workspace, crate_map, with_crate_map};

/// Something that is not tidy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    path: String,
    line: usize,
    problem: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

/// The README's crate table is the one that the manifests give.
pub fn crate_table(sources: &Sources, workspace: &Workspace) -> Vec<Finding> {
    let Some(readme) = sources.file("README.md") else {
        return vec![Finding::new("README.md", 1, "is missing")];
    };
    match with_crate_map(&readme.text, &crate_map(workspace)) {
        Ok(fresh) if fresh == readme.text => Vec::new(),
        Ok(_) => {
            vec![Finding::new("README.md", 1, "the crate table is old: run `cargo xtask map`")]
        }
        Err(error) => vec![Finding::new("README.md", 1, error.to_string())],
    }
}

/// What all rules find.
pub fn all(sources: &Sources, workspace: &Workspace) -> Vec<Finding> {
    let mut found = crate_table(sources, workspace);
    for rule in [
        module_docs,
        no_mod_rs,
        file_lengths,
        markers,
        lint_escapes,
        machine_paths,
        log_messages,
        policy_tests,
    ] {
        found.extend(rule(sources));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceFile;

    /// What `rule` finds in one file, as `line: problem`.
    pub(crate) fn found(rule: fn(&Sources) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        rule(&Sources::from_files(vec![file]))
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.problem))
            .collect()
    }
}
