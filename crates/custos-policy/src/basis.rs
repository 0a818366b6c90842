//! Legal bases, and what they ask of rows.

use std::collections::BTreeMap;

use custos_consent::{RowBasis, SeparateConsents};
use custos_core::Timestamp;

/// Why processing is lawful, from the least to the most that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegalBasis {
    /// The law demands it: visible always, short of erasure.
    LegalObligation,
    /// A contract with the person needs it: visible unless restricted.
    Contract,
    /// Our interest outweighs theirs: visible unless objected, withdrawn, refused or restricted.
    LegitimateInterest,
    /// The person agreed: visible only with a valid grant, and unless taken back.
    Consent,
}

impl LegalBasis {
    /// All bases with their names in `purposes.yaml`.
    pub(crate) const NAMED: [(&'static str, Self); 4] = [
        ("consent", Self::Consent),
        ("contract", Self::Contract),
        ("legitimate_interest", Self::LegitimateInterest),
        ("legal_obligation", Self::LegalObligation),
    ];

    /// The name in `purposes.yaml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LegalObligation => "legal_obligation",
            Self::Contract => "contract",
            Self::LegitimateInterest => "legitimate_interest",
            Self::Consent => "consent",
        }
    }

    /// What it asks of the people whose rows are read.
    pub const fn rows(self) -> RowBasis {
        match self {
            Self::LegalObligation => RowBasis::Always,
            Self::Contract => RowBasis::UnlessRestricted,
            Self::LegitimateInterest => RowBasis::UnlessObjected,
            Self::Consent => RowBasis::NeedsGrant,
        }
    }
}

/// The name of what a legal basis asks of people, in tests, explanations and diffs.
pub(crate) const fn name_of(rows: RowBasis) -> &'static str {
    match rows {
        RowBasis::NeedsGrant => "needs_grant",
        RowBasis::UnlessObjected => "unless_objected",
        RowBasis::UnlessRestricted => "unless_restricted",
        RowBasis::Always => "always",
    }
}

/// What goes after `people` for what [`name_of`] names.
pub(crate) fn in_words(name: &str) -> &'static str {
    match name {
        "needs_grant" => "who gave consent",
        "unless_objected" => "who did not object",
        "unless_restricted" => "whose data is not restricted",
        _ => "whatever they said",
    }
}

/// Which rows of a table a grant shows, by the consent state of the person they are about and by
/// the time of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowRule {
    /// What the legal basis asks of people whose own jurisdiction is not known.
    pub basis: RowBasis,
    /// The separate consents that are needed besides.
    pub separate: SeparateConsents,
    /// Whether rows without subject are visible.
    pub unattributed_visible: bool,
    /// The earliest event time of rows that retention still lets be shown, the start of a day in
    /// UTC; none when rows of any age may be.
    pub event_time_from: Option<Timestamp>,
    /// Whether rows without event time are visible.
    pub undated_visible: bool,
}

impl RowRule {
    /// Whether the event time of rows must be looked at at all.
    pub const fn reads_event_time(self) -> bool {
        self.event_time_from.is_some() || !self.undated_visible
    }
}

/// The legal bases of a purpose by jurisdiction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bases {
    by_jurisdiction: BTreeMap<String, LegalBasis>,
    strictest: LegalBasis,
}

impl Bases {
    /// Spreads the default over the known jurisdictions that `listed` leaves out.
    pub(crate) fn new<'a>(
        default: LegalBasis,
        listed: &BTreeMap<String, LegalBasis>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let basis_in = |place: &str| listed.get(place).copied().unwrap_or(default);
        Self {
            by_jurisdiction: known
                .into_iter()
                .map(|place| (place.to_owned(), basis_in(place)))
                .collect(),
            strictest: listed.values().copied().fold(default, LegalBasis::max),
        }
    }

    /// Consent everywhere.
    pub(crate) const fn strictest() -> Self {
        Self { by_jurisdiction: BTreeMap::new(), strictest: LegalBasis::Consent }
    }

    /// The basis in jurisdictions that are not known.
    pub(crate) const fn elsewhere(&self) -> LegalBasis {
        self.strictest
    }

    /// The basis in a jurisdiction; in one that is not known, the strictest of all.
    pub(crate) fn in_jurisdiction(&self, place: &str) -> LegalBasis {
        self.by_jurisdiction.get(place).copied().unwrap_or(self.strictest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_jurisdiction_gets_the_strictest_basis() {
        let listed = BTreeMap::from([("cn".to_owned(), LegalBasis::Consent)]);
        let bases = Bases::new(LegalBasis::Contract, &listed, ["cn", "us"]);
        assert_eq!(bases.in_jurisdiction("cn"), LegalBasis::Consent);
        assert_eq!(bases.in_jurisdiction("us"), LegalBasis::Contract);
        assert_eq!(bases.in_jurisdiction("atlantis"), LegalBasis::Consent);
        let weak = Bases::new(LegalBasis::Contract, &BTreeMap::new(), ["us"]);
        assert_eq!(weak.in_jurisdiction("atlantis"), LegalBasis::Contract);
    }
}
