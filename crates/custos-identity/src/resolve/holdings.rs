//! Links in an order that does not depend on how they came.

use std::ops::Range;

use custos_core::{Assurance, IdentifierType, Rid};

use crate::Link;

/// Who holds which identifier, with subjects as dense numbers in the order of their [`Rid`]s.
pub(crate) struct Holdings {
    /// The subject of each number.
    pub(crate) subjects: Vec<Rid>,
    /// From the strongest kind to the weakest; equal scopes of a kind are neighbours.
    pub(crate) identifiers: Vec<Identifier>,
    holders: Vec<Holder>,
}

/// One value that somebody holds.
pub(crate) struct Identifier {
    pub(crate) kind: IdentifierType,
    pub(crate) scope: Option<u16>,
    pub(crate) hash: [u8; 16],
    holders: Range<usize>,
}

/// A subject that holds an identifier.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) subject: u32,
    pub(crate) is_verified: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    strength: u8,
    scope: Option<u16>,
    hash: u128,
    subject: u32,
    is_claimed: bool,
}

impl Entry {
    fn is_same_identifier(&self, other: &Self) -> bool {
        (self.strength, self.scope, self.hash) == (other.strength, other.scope, other.hash)
    }
}

/// The kinds that link, from the strongest to the weakest.
const KINDS: [IdentifierType; 6] = [
    IdentifierType::NationalId,
    IdentifierType::CustomerId,
    IdentifierType::Email,
    IdentifierType::SocialId,
    IdentifierType::Phone,
    IdentifierType::DeviceId,
];

fn strength_of(kind: IdentifierType) -> Option<u8> {
    match kind {
        IdentifierType::NationalId => Some(0),
        IdentifierType::CustomerId => Some(1),
        IdentifierType::Email => Some(2),
        IdentifierType::SocialId => Some(3),
        IdentifierType::Phone => Some(4),
        IdentifierType::DeviceId => Some(5),
        IdentifierType::Name | IdentifierType::Address | IdentifierType::Ip => None,
    }
}

fn scope_of(link: &Link) -> Option<u16> {
    let is_scoped = matches!(link.kind, IdentifierType::CustomerId | IdentifierType::SocialId);
    link.scope.filter(|_| is_scoped)
}

impl Holdings {
    pub(crate) fn of(links: &[Link]) -> Self {
        let subjects = subjects_of(links);
        let mut entries: Vec<_> =
            links.iter().filter_map(|link| entry_of(link, &subjects)).collect();
        entries.sort_unstable();
        // Of a subject's equal links the verified one comes first and stays.
        entries
            .dedup_by(|next, kept| next.subject == kept.subject && next.is_same_identifier(kept));
        let mut identifiers = Vec::new();
        let mut holders = Vec::with_capacity(entries.len());
        for same in entries.chunk_by(Entry::is_same_identifier) {
            let start = holders.len();
            holders.extend(
                same.iter().map(|e| Holder { subject: e.subject, is_verified: !e.is_claimed }),
            );
            identifiers.push(Identifier {
                kind: KINDS[usize::from(same[0].strength)],
                scope: same[0].scope,
                hash: same[0].hash.to_be_bytes(),
                holders: start..holders.len(),
            });
        }
        Self { subjects, identifiers, holders }
    }

    /// All who hold an identifier, in order.
    pub(crate) fn holders(&self, identifier: &Identifier) -> &[Holder] {
        &self.holders[identifier.holders.clone()]
    }

    /// The number of a subject, if it holds anything.
    pub(crate) fn number_of(&self, rid: Rid) -> Option<u32> {
        number_in(&self.subjects, rid)
    }
}

fn subjects_of(links: &[Link]) -> Vec<Rid> {
    let mut subjects: Vec<_> =
        links.iter().map(|link| link.rid).filter(|rid| !rid.is_none()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

fn number_in(subjects: &[Rid], rid: Rid) -> Option<u32> {
    subjects.binary_search(&rid).ok().and_then(|place| u32::try_from(place).ok())
}

fn entry_of(link: &Link, subjects: &[Rid]) -> Option<Entry> {
    Some(Entry {
        strength: strength_of(link.kind)?,
        scope: scope_of(link),
        hash: u128::from_be_bytes(link.hash),
        subject: number_in(subjects, link.rid)?,
        is_claimed: link.assurance == Assurance::Claimed,
    })
}
