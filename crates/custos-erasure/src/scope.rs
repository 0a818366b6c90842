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
pub(crate) fn values_of(rows: &[IdentifierRow]) -> BTreeSet<PersonalValue> {
    rows.iter()
        .map(|row| PersonalValue {
            kind: row.index.kind,
            scope: row.index.scope.clone(),
            value: row.value.expose().clone(),
        })
        .collect()
}

/// What bars the rows of a person from coming back.
///
/// An identifier that somebody else alive holds too, such as a household's phone, bars only rows
/// all of whose identifiers are barred.
pub(crate) fn suppression(
    values: &BTreeSet<PersonalValue>,
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
