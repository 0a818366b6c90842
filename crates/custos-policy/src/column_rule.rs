//! How a column is shown.

use std::fmt;

use serde::{Serialize, Serializer};

/// How a column is shown.
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
    /// What tells e-mail addresses apart at a glance: `z***@example.cn`.
    Email,
    /// The last digits of a telephone number, and of a Chinese mobile number the first ones too:
    /// `+86138****5678`.
    Phone,
    /// The surname of a Chinese name, the first character of each word of another: `张**`,
    /// `J*** M***`.
    Name,
    /// The ends of a document number: `110***********0021`.
    NationalId,
    /// The province, city and district of a Chinese address, nothing of another:
    /// `上海市浦东新区***`.
    Address,
    /// The month of a date or instant: of `2026-03-14`, `2026-03` as text and 1 March as a date.
    Month,
    /// The year of a date or instant: of `2026-03-14`, `2026` as text and 1 January as a date.
    Year,
    /// Nothing.
    Null,
}

impl Mask {
    /// All masks with their names in `categories.yaml`.
    pub(crate) const NAMED: [(&'static str, Self); 8] = [
        ("null", Self::Null),
        ("email", Self::Email),
        ("phone", Self::Phone),
        ("name", Self::Name),
        ("national_id", Self::NationalId),
        ("address", Self::Address),
        ("month", Self::Month),
        ("year", Self::Year),
    ];

    /// The name in `categories.yaml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
            Self::NationalId => "national_id",
            Self::Address => "address",
            Self::Month => "month",
            Self::Year => "year",
            Self::Null => "null",
        }
    }
}

impl ColumnRule {
    /// Whether more of a column is shown than under another rule. Of two masks neither shows more, nor
    /// of a mask and a token: one tells part of a value, the other who has the same.
    pub(crate) const fn shows_more_than(self, other: Self) -> bool {
        self.hiding() < other.hiding()
    }

    /// How much is hidden, as a rank.
    const fn hiding(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Masked(Mask::Null) => 2,
            Self::Masked(_) | Self::Tokenised => 1,
            Self::Absent => 3,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_is_listed_by_its_name() {
        for (name, mask) in Mask::NAMED {
            assert_eq!(mask.as_str(), name);
        }
    }

    #[test]
    fn no_rule_shows_more_than_itself_and_clear_shows_most() {
        let masks = Mask::NAMED.map(|(_, mask)| ColumnRule::Masked(mask));
        for rule in masks.into_iter().chain([ColumnRule::Tokenised, ColumnRule::Absent]) {
            assert!(ColumnRule::Clear.shows_more_than(rule) && !rule.shows_more_than(rule));
            assert!(rule == ColumnRule::Absent || rule.shows_more_than(ColumnRule::Absent));
        }
        let masked = ColumnRule::Masked(Mask::Name);
        assert!(!masked.shows_more_than(ColumnRule::Tokenised));
        assert!(!ColumnRule::Tokenised.shows_more_than(masked));
        // A null tells less than a token, which tells who is the same.
        assert!(ColumnRule::Tokenised.shows_more_than(ColumnRule::Masked(Mask::Null)));
    }
}
