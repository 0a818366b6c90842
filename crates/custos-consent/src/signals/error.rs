//! Why a signal cannot be read.

use custos_core::{Classify, ErrorKind};

/// The longest signal that is looked at, in bytes; real ones stay below a tenth of it.
pub(super) const SIGNAL_BYTES_MAX: usize = 65_536;

/// Why a signal cannot be read. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Longer than any consent platform writes.
    #[error("the signal is longer than {SIGNAL_BYTES_MAX} bytes")]
    TooLong,
    /// Not in the characters that the standard uses.
    #[error("the signal has a character that its standard does not use")]
    Encoding,
    /// Ends before its fields do.
    #[error("the signal ends before all of its fields are told")]
    Truncated,
    /// Of a version that is not known.
    #[error("the signal is of a version that is not known")]
    Version,
    /// A part has a value that the standard does not allow.
    #[error("the signal's {0} has a value that its standard does not allow")]
    Malformed(&'static str),
}

impl Classify for SignalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong => ErrorKind::TooLarge,
            Self::Version => ErrorKind::Unsupported,
            Self::Encoding | Self::Truncated | Self::Malformed(_) => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("pass the string on exactly as the consent platform wrote it".to_owned())
    }
}

/// Refuses what is too long to look at.
pub(super) fn bounded(text: &str) -> Result<&str, SignalError> {
    if text.len() > SIGNAL_BYTES_MAX { Err(SignalError::TooLong) } else { Ok(text) }
}
