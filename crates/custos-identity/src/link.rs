//! What resolution reads and what it answers.

use custos_core::{Assurance, IdentifierType, PersonMap, Redacted, Rid};

/// A subject holds an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link {
    /// The subject.
    pub rid: Rid,
    /// What the identifier is. Kinds that do not link are passed over.
    pub kind: IdentifierType,
    /// Within what a customer id or social id means something: a number that the caller gives
    /// each scope, the same throughout one resolution. Other kinds mean the same everywhere.
    pub scope: Option<u16>,
    /// The keyed hash of the normalised value.
    pub hash: [u8; 16],
    /// How sure the source is.
    pub assurance: Assurance,
}

/// A name of a subject, which separates people who share an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectName {
    /// The subject.
    pub rid: Rid,
    /// What [`name_key`](crate::name_key) makes of the name; in memory only.
    pub key: Redacted<String>,
}

/// What resolution does not go beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many subjects an identifier may have before it is held to be nobody's.
    pub subjects_per_identifier_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { subjects_per_identifier_max: 20 }
    }
}

/// Persons, what made them, and what was not allowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Which subjects are one person.
    pub persons: PersonMap,
    /// One piece for each two clusters that were joined; together they explain every person.
    pub evidence: Vec<Evidence>,
    /// The identifiers that joined fewer subjects than hold them.
    pub refused: Vec<Refusal>,
}

/// Why two subjects are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// The smaller subject.
    pub left: Rid,
    /// The larger subject.
    pub right: Rid,
    /// What both hold.
    pub kind: IdentifierType,
    /// The keyed hash of what both hold.
    pub hash: [u8; 16],
    /// The rule that joined them.
    pub rule: Rule,
}

/// The rules that join subjects, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Both have verified an identifier that belongs to one person.
    VerifiedExclusive,
    /// Both have verified an identifier that may be shared, and nothing tells them apart.
    VerifiedShared,
    /// At most one of them has verified anything, and nothing tells them apart.
    Claimed,
    /// Others hold the identifier too, and of these only the two have compatible names.
    SameName,
    /// A subject with a device and nothing else, and the only person seen on that device, or
    /// another such subject.
    Device,
}

impl Rule {
    /// The name in evidence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifiedExclusive => "verified_exclusive",
            Self::VerifiedShared => "verified_shared",
            Self::Claimed => "claimed",
            Self::SameName => "same_name",
            Self::Device => "device",
        }
    }
}

/// An identifier that did not join all who hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What the identifier is.
    pub kind: IdentifierType,
    /// Its keyed hash.
    pub hash: [u8; 16],
    /// Why it was refused.
    pub reason: RefusalReason,
    /// How many subjects hold it.
    pub subjects: u32,
}

/// Why an identifier does not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// More subjects hold it than the limit.
    TooManySubjects,
    /// Names or other identifiers tell the holders apart.
    HeldByDifferentPeople,
    /// A holder only claims it, and each has verified something.
    ClaimedBetweenVerified,
}

impl RefusalReason {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooManySubjects => "too_many_subjects",
            Self::HeldByDifferentPeople => "held_by_different_people",
            Self::ClaimedBetweenVerified => "claimed_between_verified",
        }
    }
}
