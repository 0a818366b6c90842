//! Who is meant: from an identifier to subjects, and from subjects to what bars their return.

use std::collections::{BTreeSet, HashMap, HashSet};

use custos_core::{Assurance, PersonMap, Rid, Timestamp};
use custos_ingest::{IdentifierHashes, Suppressed, UNLINKED};
use custos_lake::vault::{IdentifierRow, IndexRow};
use roaring::RoaringBitmap;

use crate::SuppressionEntry;
use crate::dossier::PersonalValue;

/// The subjects of the person who holds an identifier, as clustered today.
///
/// Who holds it verified is the person, whoever else claims it. If nobody does, it is those who
/// claim it and hold nothing verified themselves: a claim never leads to somebody known.
pub(crate) fn subjects_of(
    asked: &PersonalValue,
    index: &[IndexRow],
    persons: &PersonMap,
    hashes: &IdentifierHashes,
) -> BTreeSet<Rid> {
    let scopes: BTreeSet<&str> = if asked.scope.is_empty() {
        let of_kind = index.iter().filter(|row| row.kind == asked.kind);
        of_kind.map(|row| row.scope.as_str()).filter(|scope| *scope != UNLINKED).collect()
    } else {
        BTreeSet::from([asked.scope.as_str()])
    };
    let wanted: HashSet<[u8; 16]> =
        scopes.iter().map(|scope| hashes.index(asked.kind, scope, &asked.value)).collect();
    let holders = || index.iter().filter(|row| wanted.contains(&row.hash));
    let verified: BTreeSet<Rid> =
        holders().filter(|row| row.assurance == Assurance::Verified).map(|row| row.rid).collect();
    let holders: BTreeSet<Rid> = if verified.is_empty() {
        let known: HashSet<Rid> = index
            .iter()
            .filter(|row| row.assurance == Assurance::Verified)
            .flat_map(|row| persons.members(persons.person_of(row.rid)))
            .collect();
        holders().map(|row| row.rid).filter(|rid| !known.contains(rid)).collect()
    } else {
        verified
    };
    holders.into_iter().flat_map(|rid| persons.members(persons.person_of(rid))).collect()
}

/// The identifiers of subjects in clear, without repetition.
pub(crate) fn values_of(rows: &[IdentifierRow]) -> Vec<PersonalValue> {
    let values: BTreeSet<PersonalValue> = rows
        .iter()
        .map(|row| PersonalValue {
            kind: row.index.kind,
            scope: row.index.scope.clone(),
            value: row.value.expose().clone(),
        })
        .collect();
    values.into_iter().collect()
}

/// What bars the rows of a person from coming back.
///
/// An identifier that somebody else alive holds too, such as a household's phone, bars only rows
/// all of whose identifiers are barred.
pub(crate) fn suppression(
    values: &[PersonalValue],
    subjects: &RoaringBitmap,
    index: &[IndexRow],
    hashes: &IdentifierHashes,
    until: Timestamp,
) -> Vec<SuppressionEntry> {
    let mut held_by_others: HashMap<[u8; 16], bool> = HashMap::new();
    for row in index {
        *held_by_others.entry(row.hash).or_default() |= !subjects.contains(row.rid.get());
    }
    values
        .iter()
        .filter(|value| value.kind.links() && value.scope != UNLINKED)
        .map(|value| {
            let held = hashes.index(value.kind, &value.scope, &value.value);
            let shared = held_by_others.get(&held).copied().unwrap_or(false);
            let hash = hashes.suppression(value.kind, &value.scope, &value.value);
            SuppressionEntry { hash, suppressed: Suppressed { until, shared } }
        })
        .collect()
}

/// Whether bytes of a refused row name somebody by one of these identifiers.
///
/// Names and addresses alone are not enough: others bear them too.
#[derive(Debug)]
pub(crate) struct Mentions(Vec<String>);

impl Mentions {
    pub(crate) fn new(values: &[PersonalValue]) -> Self {
        let mut needles = BTreeSet::new();
        for value in values.iter().filter(|value| value.kind.links()) {
            let plain = value.value.to_lowercase();
            if let Some(digits) = plain.strip_prefix('+') {
                needles.insert(digits.to_owned());
                needles.insert(format!("00{digits}"));
                needles.extend(digits.strip_prefix("86").map(str::to_owned));
                needles.extend(digits.strip_prefix('1').map(str::to_owned));
            }
            needles.insert(plain);
        }
        Self(needles.into_iter().filter(|needle| needle.len() > 3).collect())
    }

    pub(crate) fn matches(&self, raw: &[u8]) -> bool {
        let text: String = String::from_utf8_lossy(raw).chars().map(half_width).collect();
        let text = text.to_lowercase();
        let tight: String = text.chars().filter(|c| !" -()\u{a0}".contains(*c)).collect();
        self.0.iter().any(|needle| is_word_of(&text, needle) || is_word_of(&tight, needle))
    }
}

/// Full-width forms as they are typed with a Chinese keyboard.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        other => other,
    }
}

/// Whether `needle` occurs in `text` and is no part of a longer word or number.
fn is_word_of(text: &str, needle: &str) -> bool {
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        // A part of an address, a date or an amount is no identifier.
        let is_edge =
            |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && !"._+-%:/".contains(c));
        is_edge(before) && is_edge(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use custos_core::IdentifierType;

    fn value(kind: IdentifierType, value: &str) -> PersonalValue {
        PersonalValue { kind, scope: String::new(), value: value.to_owned() }
    }

    #[test]
    fn refused_rows_are_found_however_the_identifier_is_written() {
        let mentions = Mentions::new(&[
            value(IdentifierType::Phone, "+8613800138000"),
            value(IdentifierType::Email, "li@example.cn"),
            value(IdentifierType::CustomerId, "M0017"),
            value(IdentifierType::Name, "Li Na"),
        ]);
        for raw in [
            "1,+86 138-0013-8000,x",
            "1,138 0013 8000,x",
            "1,１３８００１３８０００,x",
            "1,LI@Example.cn,x",
            "m0017;2",
        ] {
            assert!(mentions.matches(raw.as_bytes()), "{raw}");
        }
        for raw in [
            "1,+8613800138001,x",
            "alili@example.cn",
            "M00170",
            "first.li@example.cn",
            "2010-M0017",
            "Li Na",
            "",
        ] {
            assert!(!mentions.matches(raw.as_bytes()), "{raw}");
        }
    }
}
