//! Why a value identifies nobody.

use custos_core::{Classify, ErrorKind};

/// Why a value has no comparable form. Neither variant holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NormaliseError {
    /// Many records hold this value and it means none of them: empty, `unknown`, all zeros.
    #[error("a placeholder, which identifies nobody")]
    Blocked,
    /// The value cannot be one of its type.
    #[error("not a value of this type of identifier")]
    Invalid,
}

impl Classify for NormaliseError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Blocked | Self::Invalid => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Blocked => "leave the field empty where the value is not known",
            Self::Invalid => "check the column's type, and for phones its region, in the contract",
        };
        Some(hint.to_owned())
    }
}
