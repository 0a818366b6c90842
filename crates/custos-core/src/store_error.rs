//! Why a port to the control store did not answer.

use crate::{Classify, ErrorKind};

/// A failure of the control store, in terms its callers can act on.
///
/// `Display` names the operation only; the driver's own message stays in `source`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached or written.
    #[error("the control store is not available: {operation}")]
    Unavailable {
        /// What was being done, in lower case.
        operation: &'static str,
        /// The driver's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else changed the record first.
    #[error("the control store changed meanwhile: {operation}")]
    Conflict {
        /// What was being done, in lower case.
        operation: &'static str,
    },
    /// Somebody else held a lease for longer than this waited.
    #[error("the lease `{lease}` is held by {holder}")]
    Held {
        /// The name of the lease.
        lease: String,
        /// The process that holds it, where it runs and since when.
        holder: String,
    },
    /// A stored record cannot be right.
    #[error("the control store holds a record that cannot be right: {what}")]
    Integrity {
        /// What is wrong with it, without its values.
        what: String,
    },
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Held { .. } => ErrorKind::Timeout,
            Self::Integrity { .. } => ErrorKind::Integrity,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Held { .. } => "wait until it ends and repeat; if it hangs, stop that process",
            Self::Unavailable { .. } => {
                "check that the disk or the server of the control store answers, and repeat"
            }
            Self::Conflict { .. } | Self::Integrity { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
