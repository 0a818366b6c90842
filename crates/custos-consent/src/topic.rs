//! What a consent is about, beyond a purpose: separate consents, and those of guardians.

use custos_core::{NameError, Purpose};
use serde::{Deserialize, Serialize};

/// A consent that the law wants given apart from all others
/// ([PIPL](http://www.npc.gov.cn/npc/c2/c30834/202108/t20210820_313088.html), Art. 23, 29, 39).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeparateConsent {
    /// To the processing of sensitive data.
    SensitiveData,
    /// To sharing with another controller.
    Sharing,
    /// To transfer to another country.
    CrossBorder,
}

impl SeparateConsent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SensitiveData, Self::Sharing, Self::CrossBorder];

    /// The name in purposes and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SensitiveData => "sensitive_data",
            Self::Sharing => "sharing",
            Self::CrossBorder => "cross_border",
        }
    }
}

/// Some of the separate consents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SeparateConsents(u8);

impl SeparateConsents {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, kind: SeparateConsent) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether one is among them.
    pub const fn contains(self, kind: SeparateConsent) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Those that are among others, too.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of them are among others, too.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = SeparateConsent> {
        SeparateConsent::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<SeparateConsent> for SeparateConsents {
    fn from_iter<I: IntoIterator<Item = SeparateConsent>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What the purpose of a consent event stands for.
///
/// Two branches of the tree of purposes are reserved, so that files, stores and the merge rule
/// need to know of nothing else: `separate.sharing.marketing.email` is the separate consent to
/// sharing for `marketing.email`, and of all purposes within it; `guardian.marketing.email` is
/// what a guardian says about `marketing.email` for a child. `guardian.separate.sharing` is both,
/// for all purposes.
///
/// ```
/// use custos_consent::{ConsentTopic, SeparateConsent};
///
/// let topic = ConsentTopic::of(&"guardian.separate.sharing.marketing".parse()?);
/// assert!(topic.by_guardian);
/// assert_eq!(topic.separate, Some(SeparateConsent::Sharing));
/// assert_eq!(topic.purpose, Some("marketing".parse()?));
/// assert_eq!(topic.name()?.as_str(), "guardian.separate.sharing.marketing");
/// # Ok::<(), custos_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentTopic {
    /// Whether a guardian speaks for a child.
    pub by_guardian: bool,
    /// Which separate consent it is, if it is one.
    pub separate: Option<SeparateConsent>,
    /// The purpose; `None` stands for all.
    pub purpose: Option<Purpose>,
}

const GUARDIAN: &str = "guardian";
const SEPARATE: &str = "separate";

impl ConsentTopic {
    /// The first parts of names that are no purposes of their own.
    pub const RESERVED: [&str; 2] = [GUARDIAN, SEPARATE];

    /// What a purpose's own consent is about.
    pub const fn own(purpose: Purpose) -> Self {
        Self { by_guardian: false, separate: None, purpose: Some(purpose) }
    }

    /// What an event with this purpose is about.
    pub fn of(name: &Purpose) -> Self {
        let (by_guardian, rest) = strip(name.as_str(), GUARDIAN);
        let kinds = SeparateConsent::ALL.into_iter();
        let (separate, rest) = kinds
            .map(|kind| (kind, strip(rest, &format!("{SEPARATE}.{}", kind.as_str()))))
            .find_map(|(kind, (is_it, rest))| is_it.then_some((Some(kind), rest)))
            .unwrap_or((None, rest));
        Self { by_guardian, separate, purpose: rest.parse().ok() }
    }

    /// The purpose that an event about this has.
    ///
    /// A name has 120 bytes at most, so a purpose of more than about 80 may have none that is
    /// separate or a guardian's. Then nobody can consent to it that way, and nobody is visible.
    pub fn name(&self) -> Result<Purpose, NameError> {
        let separate = self.separate.map(|kind| format!("{SEPARATE}.{}", kind.as_str()));
        let guardian = self.by_guardian.then_some(GUARDIAN);
        let purpose = self.purpose.as_ref().map(Purpose::as_str);
        let parts = [guardian, separate.as_deref(), purpose];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".").parse()
    }
}

/// Whether an event about this is so wide that it cannot be a grant: one for all that a person
/// could ever be asked separately, or for all that a guardian could be asked.
pub(crate) fn is_too_wide_for_a_grant(name: &Purpose) -> bool {
    matches!(name.as_str(), "guardian" | "separate" | "guardian.separate")
}

/// Whether a name lies in a branch, and what remains of it there.
fn strip<'a>(name: &'a str, branch: &str) -> (bool, &'a str) {
    match name.strip_prefix(branch) {
        Some("") => (true, ""),
        Some(rest) => rest.strip_prefix('.').map_or((false, name), |rest| (true, rest)),
        None => (false, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_names_are_the_same_thing() {
        for by_guardian in [false, true] {
            let kinds = SeparateConsent::ALL.map(Some);
            for separate in kinds.into_iter().chain([None]) {
                for purpose in [None, Some("marketing.email"), Some("sharing")] {
                    let purpose = purpose.map(|name| name.parse().unwrap());
                    let topic = ConsentTopic { by_guardian, separate, purpose };
                    if topic.purpose.is_none() && !by_guardian && separate.is_none() {
                        assert!(topic.name().is_err());
                        continue;
                    }
                    assert_eq!(ConsentTopic::of(&topic.name().unwrap()), topic);
                }
            }
        }
    }

    #[test]
    fn a_name_that_only_begins_like_a_branch_is_an_ordinary_purpose() {
        for name in ["guardians.marketing", "separate_sharing", "separate", "separate.other.x"] {
            let name: Purpose = name.parse().unwrap();
            assert_eq!(ConsentTopic::of(&name), ConsentTopic::own(name.clone()));
        }
    }

    #[test]
    fn no_grant_is_for_a_reserved_branch_as_a_whole() {
        let is_too_wide = |name: &str| is_too_wide_for_a_grant(&name.parse().unwrap());
        assert!(["guardian", "separate", "guardian.separate"].into_iter().all(is_too_wide));
        let narrow = ["guardian.marketing", "separate.sharing", "guardian.separate.sharing", "x"];
        assert!(!narrow.into_iter().any(is_too_wide));
    }

    #[test]
    fn a_purpose_too_long_to_be_consented_to_separately_has_no_name() {
        let long: Purpose = "a".repeat(119).parse().unwrap();
        let topic = ConsentTopic { by_guardian: true, ..ConsentTopic::own(long) };
        assert!(topic.name().is_err());
    }
}
