//! Who is meant: from an identifier to subjects, and from subjects to what bars their return.

use std::collections::{BTreeSet, HashMap};

use custos_core::{PersonMap, Rid, Timestamp, meant_by};
use custos_ingest::Suppressed;
use custos_lake::vault::{IdentifierHashes, IdentifierRow, IndexRow, Sought, UNLINKED, VaultIndex};
use roaring::RoaringBitmap;

use crate::SuppressionEntry;
use crate::dossier::PersonalValue;

/// The subjects of the person who holds an identifier, as clustered today: see [`meant_by`].
pub(crate) fn subjects_of(
    asked: &PersonalValue,
    index: &VaultIndex,
    persons: &PersonMap,
    hashes: &IdentifierHashes,
) -> BTreeSet<Rid> {
    let sought =
        Sought { kind: asked.kind, scope: asked.scope.clone(), value: asked.value.clone() };
    let holders = index.holders(&sought, hashes);
    let members = |rid| persons.members(persons.person_of(rid));
    let is_known = |rid| members(rid).into_iter().any(|rid| index.vouchers(rid).next().is_some());
    let holders = holders.iter().map(|holder| (holder.rid, holder.assurance));
    meant_by(holders, is_known).into_iter().flat_map(members).collect()
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
