//! How a column is shown.

use std::fmt;

use serde::{Serialize, Serializer};

/// How a column is shown, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnRule {
    /// As it is.
    Clear,
    /// With most of it blotted out.
    Masked(Mask),
    /// As a keyed token that is equal for equal values.
    Tokenised,
    /// Not at all: the column is not part of the table.
    Absent,
}

/// What is left of a masked value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mask {
    /// What tells e-mail addresses apart at a glance.
    Email,
    /// The first and last digits of a telephone number.
    Phone,
    /// The first character of a name.
    Name,
    /// The ends of a document number.
    NationalId,
    /// The coarse part of an address.
    Address,
    /// Nothing.
    Null,
}

impl Mask {
    /// All masks with their names in `categories.yaml`.
    pub(crate) const NAMED: [(&'static str, Self); 6] = [
        ("null", Self::Null),
        ("email", Self::Email),
        ("phone", Self::Phone),
        ("name", Self::Name),
        ("national_id", Self::NationalId),
        ("address", Self::Address),
    ];

    /// The name in `categories.yaml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
            Self::NationalId => "national_id",
            Self::Address => "address",
            Self::Null => "null",
        }
    }
}

impl ColumnRule {
    /// Whether more of a column is shown than under another rule. Of two masks neither shows more.
    pub(crate) const fn shows_more_than(self, other: Self) -> bool {
        self.hiding() < other.hiding()
    }

    /// How much is hidden, as a rank.
    const fn hiding(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Masked(Mask::Null) => 3,
            Self::Masked(_) => 1,
            Self::Tokenised => 2,
            Self::Absent => 4,
        }
    }
}

impl fmt::Display for ColumnRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("clear"),
            Self::Masked(mask) => write!(f, "masked ({})", mask.as_str()),
            Self::Tokenised => f.write_str("tokenised"),
            Self::Absent => f.write_str("absent"),
        }
    }
}

impl Serialize for ColumnRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
