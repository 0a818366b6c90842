//! Errors as PostgreSQL's clients read them.

use custos_core::{Classify, ErrorKind};
use custos_query::QueryError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use super::encode::EncodeError;
use super::parameter::ParameterError;
use crate::wire_error::{sqlstate, sqlstate_of_query, withheld};

/// An error with its code. No text repeats a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PgError {
    severity: &'static str,
    pub(super) code: &'static str,
    message: String,
    hint: Option<String>,
}

impl PgError {
    /// An error with a SQLSTATE.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "ERROR", code, message: message.into(), hint: None }
    }

    /// A client that does not keep to the protocol.
    pub(super) fn protocol(message: &'static str) -> Self {
        Self::new("08P01", message)
    }

    /// Something that PostgreSQL does and this does not.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// An error of any kind, with what operators only may know left out.
    pub(super) fn of(error: &impl Classify) -> Self {
        let kind = error.kind();
        match withheld(kind) {
            Some(text) => Self::withheld(kind, text, &error.to_string()),
            None => Self { hint: error.hint(), ..Self::new(sqlstate(kind), error.to_string()) },
        }
    }

    /// Logs an error that is told by its id only.
    fn withheld(kind: ErrorKind, text: &str, error: &str) -> Self {
        let mut bytes = [0; 8];
        // An id that is not unique is no reason not to answer.
        let _random = getrandom::fill(&mut bytes);
        let error_id = format!("{:016x}", u64::from_be_bytes(bytes));
        tracing::error!(error_id, error, "a statement failed");
        Self {
            hint: Some("give the operator the error id; the log has the rest under it".to_owned()),
            ..Self::new(sqlstate(kind), format!("{text} (error id {error_id})"))
        }
    }

    /// The same with a hint.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, after which the connection ends.
    pub(super) fn fatal(mut self) -> Self {
        self.severity = "FATAL";
        self
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.severity == "FATAL"
    }

    fn fields(self) -> Vec<(u8, String)> {
        let mut fields = vec![
            (b'S', self.severity.to_owned()),
            (b'V', self.severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', self.message),
        ];
        fields.extend(self.hint.map(|hint| (b'H', hint)));
        fields
    }

    pub(super) fn into_message(self) -> PgWireBackendMessage {
        PgWireBackendMessage::ErrorResponse(ErrorResponse::new(self.fields()))
    }

    /// The same as a word of warning.
    pub(super) fn into_notice(mut self) -> PgWireBackendMessage {
        self.severity = "WARNING";
        PgWireBackendMessage::NoticeResponse(NoticeResponse::new(self.fields()))
    }
}

impl From<QueryError> for PgError {
    fn from(error: QueryError) -> Self {
        let code = sqlstate_of_query(&error);
        Self { code, ..Self::of(&error) }
    }
}

impl From<ParameterError> for PgError {
    fn from(error: ParameterError) -> Self {
        Self::new(error.sqlstate(), error.to_string())
    }
}

impl From<EncodeError> for PgError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::NotAsAnnounced => Self::new("XX000", "internal error"),
            _ => Self::new("22003", error.to_string())
                .with_hint("cast the column to text, or leave it out"),
        }
    }
}
