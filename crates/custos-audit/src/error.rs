//! Why the log could not be written, read or trusted.

use custos_core::{Classify, ErrorKind, StoreError};

/// A failure of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store of the log did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry could not be written as JSON.
    #[error("the entry cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// A leaf is missing though later ones are there.
    #[error("the audit log lacks entry {index}")]
    Gap {
        /// The first index that is not there.
        index: u64,
    },
    /// A leaf is not an entry.
    #[error("entry {index} of the audit log is not an entry")]
    Malformed {
        /// Its index.
        index: u64,
    },
    /// The log is shorter than a head says it was.
    #[error("the audit log was cut: a head stands for {size} entries, there are {len}")]
    Truncated {
        /// The size of the head.
        size: u64,
        /// How many entries there are.
        len: u64,
    },
    /// The entries before a head are not those the head stands for.
    #[error(
        "the audit log was changed: an entry from {first} on and before {size} is not what the \
         head of size {size} stands for"
    )]
    Changed {
        /// The first index that no earlier head vouches for.
        first: u64,
        /// The size of the first head that does not match.
        size: u64,
    },
    /// A head was not signed by the key it should be.
    #[error("the head of size {size} is not signed by this installation's key")]
    HeadSignature {
        /// The size of the head.
        size: u64,
    },
    /// There is no such entry, or not so many.
    #[error("there is no entry {index} among the first {size} of {len}")]
    OutOfRange {
        /// The index asked for.
        index: u64,
        /// The size of the log asked for.
        size: u64,
        /// The size of the log.
        len: u64,
    },
    /// The proof does not show that the entry is part of the log with that head.
    #[error("the proof does not show that the entry is part of the audit log")]
    NotIncluded,
}

impl Classify for AuditError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Encode(_) => ErrorKind::Internal,
            Self::Gap { .. }
            | Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::Changed { .. }
            | Self::HeadSignature { .. }
            | Self::NotIncluded => ErrorKind::Integrity,
            Self::OutOfRange { .. } => ErrorKind::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Gap { .. }
            | Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::Changed { .. } => {
                "Keep the control store as it is for the inquiry, and compare it with its last \
                 backup whose log verifies."
            }
            Self::HeadSignature { .. } => {
                "Check that key ring and control store belong together. If they do, somebody \
                 else wrote the head."
            }
            Self::Store(error) => return error.hint(),
            Self::Encode(_) | Self::OutOfRange { .. } | Self::NotIncluded => return None,
        };
        Some(hint.to_owned())
    }
}
