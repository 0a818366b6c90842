//! Why rows did not leave, or a key was not given out.

use std::io;

use custos_audit::AuditError;
use custos_core::{Classify, ErrorKind, Purpose, StoreError};
use custos_keys::KeyError;
use custos_lake::LakeError;

use crate::QueryError;

/// A failure of an export. `Display` names no values and no recipients.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The principal may not export for the purpose.
    #[error("exports for purpose `{purpose}` are not open to this principal")]
    NotPermitted {
        /// The purpose.
        purpose: Purpose,
    },
    /// The principal may not export in clear for the purpose.
    #[error("exports in clear for purpose `{purpose}` are not open to this principal")]
    PlainNotPermitted {
        /// The purpose.
        purpose: Purpose,
    },
    /// Nobody is named as recipient.
    #[error("the export names no recipient")]
    NoRecipient,
    /// The expiry is not within reach.
    #[error("an export expires after at least a second and at most {days_max} days")]
    Expiry {
        /// The longest life of an export.
        days_max: i64,
    },
    /// There is something at the path already.
    #[error("there is a file at the path of the export already")]
    Exists,
    /// The file could not be written.
    #[error("the file of the export could not be written")]
    File(#[source] io::Error),
    /// The rows have no form in the file.
    #[error("the rows have a type that this format cannot carry")]
    Type,
    /// There is no such export, or this principal has no right to know of it.
    #[error("there is no such export")]
    Unknown,
    /// The export's time is over.
    #[error("the export has expired")]
    Expired,
    /// The export was revoked.
    #[error("the export was revoked")]
    Revoked,
    /// The statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The file could not be encoded.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Keys could not be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The control store could not be read or written.
    #[error("the list of exports could not be read or written")]
    Store(#[from] StoreError),
    /// The audit log could not be written, so nothing left.
    #[error("the export was refused because it could not be audited")]
    Audit(#[from] AuditError),
    /// The record of an export cannot be read.
    #[error("the record of an export is damaged")]
    Record,
}

impl Classify for ExportError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPermitted { .. }
            | Self::PlainNotPermitted { .. }
            | Self::Expired
            | Self::Revoked => ErrorKind::Denied,
            Self::NoRecipient | Self::Expiry { .. } | Self::Type => ErrorKind::Invalid,
            Self::Exists => ErrorKind::Conflict,
            Self::File(_) => ErrorKind::Unavailable,
            Self::Unknown => ErrorKind::NotFound,
            Self::Query(error) => error.kind(),
            Self::Lake(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Audit(error) => error.kind(),
            Self::Record => ErrorKind::Integrity,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotPermitted { .. } => {
                "ask an officer for a role with the right `export` for this purpose"
            }
            Self::PlainNotPermitted { .. } => {
                "export encrypted Parquet, or have the right `export_plain` written into access.cedar"
            }
            Self::NoRecipient => "name who receives the file with --recipient",
            Self::Expiry { .. } => "write --expires as `30d`, `12h`, `45m` or `90s`",
            Self::Exists => "name a file that does not exist; exports are never overwritten",
            Self::File(_) => "check that the folder exists, is writable and has space",
            Self::Type => "cast the column to VARCHAR",
            Self::Unknown => "list exports with `custos export list`",
            Self::Expired | Self::Revoked => {
                "ask who made it for a new export, whose consent and erasures are those of today"
            }
            Self::Record => "run `custos doctor`, and restore the control store from its backup",
            Self::Query(error) => return error.hint(),
            Self::Lake(error) => return error.hint(),
            Self::Keys(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Audit(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
