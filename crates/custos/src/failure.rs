//! What the program says and returns when it fails.

use std::fmt::Write;
use std::process::ExitCode;

use custos_core::{Classify, ErrorKind};

use crate::output;

/// A failure with what the user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    kind: ErrorKind,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether something that is needed did not answer.
    pub(crate) const fn is_unavailable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable)
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A failure of something that knows its kind. Only `Display` is shown: what is behind it may
    /// hold values.
    pub(crate) fn of<E: Classify>(error: &E) -> Self {
        Self { message: error.to_string(), hint: error.hint(), kind: error.kind() }
    }
}

macro_rules! from_classified {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(&error)
            }
        })+
    };
}

from_classified!(
    custos_audit::AuditError,
    custos_core::StoreError,
    custos_erasure::CertificateError,
    custos_erasure::ErasureError,
    custos_erasure::SubjectRefError,
    custos_ingest::IngestError,
    custos_keys::KeyError,
    custos_lake::LakeError,
    custos_policy::Denial,
    custos_query::ExportError,
    custos_query::QueryError,
    custos_store::BackupError,
    custos_store::OpenError,
);

impl From<custos_core::NameError> for Failure {
    fn from(error: custos_core::NameError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(_: serde_json::Error) -> Self {
        Self::new(ErrorKind::Internal, "output could not be written as JSON")
    }
}

/// Exit codes, as documented in `custos --help`.
const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Internal => 1,
        ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::TooLarge => 3,
        ErrorKind::Unauthenticated | ErrorKind::Denied => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::Integrity => 6,
        ErrorKind::Conflict => 7,
        ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Timeout => 8,
    }
}

/// Prints a failure and returns its exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    let mut text = format!("error: {}", failure.message);
    if let Some(hint) = &failure.hint {
        // Writing to a string cannot fail.
        let _written = write!(text, "\n  hint: {hint}");
    }
    output::problem(&text);
    ExitCode::from(code(failure.kind))
}
