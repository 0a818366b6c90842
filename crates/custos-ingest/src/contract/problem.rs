//! A mistake in a contract.

use custos_core::{Classify, ErrorKind};

/// One mistake in a contract file, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message} ({remedy})")]
pub struct ContractProblem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl Classify for ContractProblem {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some(self.remedy.clone())
    }
}
