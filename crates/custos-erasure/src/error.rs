//! Why a request did not go on.

use custos_audit::AuditError;
use custos_core::{Classify, ErrorKind, RequestId, StoreError, TableName};
use custos_ingest::IngestError;
use custos_keys::KeyError;
use custos_lake::LakeError;
use custos_policy::Denial;

use crate::IllegalStep;

/// A request that did not go on. Repeating the call resumes where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The principal may not handle requests.
    #[error("this principal may not handle privacy requests")]
    Denied(#[from] Denial),
    /// There is no such request.
    #[error("there is no request {0}")]
    NotFound(RequestId),
    /// The identifier is not one of its type.
    #[error("the subject is not a usable `{kind}`")]
    BadSubject {
        /// The type that was named.
        kind: &'static str,
    },
    /// The key of a request stands for another one.
    #[error("this key was used for another request")]
    KeyUsed,
    /// The regime is not one that the policies list.
    #[error("`{regime}` is not a regime of the policies")]
    UnknownRegime {
        /// The regime.
        regime: String,
        /// Those that are.
        known: Vec<String>,
    },
    /// The step does not follow.
    #[error(transparent)]
    Step(#[from] IllegalStep),
    /// Reading a table back found what should be gone.
    #[error("table `{table}` still names an erased subject; nothing is certified")]
    StillThere {
        /// The table.
        table: TableName,
    },
    /// Secrets that should be destroyed are not.
    #[error("some secrets of table `{table}` were not destroyed; nothing is certified")]
    NotShredded {
        /// The table.
        table: TableName,
    },
    /// The lake's record of erasures goes on differently than this control store wrote it.
    #[error("the lake's record of erasures was written by another copy of the control store")]
    ForeignRecord,
    /// An entry of the lake's record of erasures is none that this program understands.
    #[error("the lake's record of erasures has an entry that this version does not understand")]
    UnknownRecord,
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Ingest could not be brought to rest.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Keys could not be had or destroyed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The control store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A defect of Custos.
    #[error("internal error while erasing")]
    Internal,
}

impl Classify for ErasureError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied(_) => ErrorKind::Denied,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::BadSubject { .. } | Self::UnknownRegime { .. } => ErrorKind::Invalid,
            Self::Step(_) | Self::ForeignRecord | Self::KeyUsed => ErrorKind::Conflict,
            Self::UnknownRecord => ErrorKind::Unsupported,
            Self::StillThere { .. } | Self::NotShredded { .. } => ErrorKind::Integrity,
            Self::Lake(error) => error.kind(),
            Self::Ingest(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Audit(error) => error.kind(),
            Self::Internal => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadSubject { .. } => {
                Some("write it as `email:ana@example.com`, `phone:+8613812345678` or `customer_id@pos:M-17`".into())
            }
            Self::KeyUsed => Some("send a new key with a new request".to_owned()),
            Self::UnknownRegime { known, .. } => Some(format!("use one of {}", known.join(", "))),
            Self::ForeignRecord => Some(
                "two copies of one control store are in use: end one for good, then run \
                 `custos restore --replay` with the other"
                    .into(),
            ),
            Self::UnknownRecord => {
                Some("use the version of custos that wrote it, or a later one".into())
            }
            Self::Lake(error) => error.hint(),
            Self::Ingest(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Audit(error) => error.hint(),
            _ => None,
        }
    }
}
