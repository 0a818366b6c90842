//! What can happen to a consent.

use std::fmt;
use std::str::FromStr;

use custos_core::{Classify, ErrorKind};
use serde::{Deserialize, Serialize};

/// What an event says, ordered from the least to the most restrictive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentStatus {
    /// The person agreed.
    Given,
    /// A grant ran out.
    Expired,
    /// The person was asked and said no.
    Refused,
    /// The person took a grant back.
    Withdrawn,
    /// The person objected to processing that does not rest on consent.
    Objected,
    /// Processing is restricted, for instance while accuracy is contested.
    Restricted,
}

impl ConsentStatus {
    /// All statuses, from the least to the most restrictive.
    pub const ALL: [Self; 6] = [
        Self::Given,
        Self::Expired,
        Self::Refused,
        Self::Withdrawn,
        Self::Objected,
        Self::Restricted,
    ];

    /// The name in files, on the wire and in the control store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
        }
    }
}

impl fmt::Display for ConsentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a consent status")]
pub struct ConsentStatusError;

impl Classify for ConsentStatusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some("use given, refused, withdrawn, expired, objected or restricted".to_owned())
    }
}

impl FromStr for ConsentStatus {
    type Err = ConsentStatusError;

    fn from_str(text: &str) -> Result<Self, ConsentStatusError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(ConsentStatusError)
    }
}
