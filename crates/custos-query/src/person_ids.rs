//! Keyed ids: what callers see instead of subjects and persons.

use std::sync::{Arc, OnceLock};

use custos_core::{PersonId, PersonMap, Rid};
use custos_keys::IdPermutation;

use crate::mutants::{self, Mutant};

/// Set in the numbers of subjects, so that no subject's id is a person's.
const SUBJECT_RANGE: u64 = 1 << 40;

/// For one purpose, the ids that stand for persons and subjects.
#[derive(Debug)]
pub(crate) struct PersonIds {
    permutation: IdPermutation,
    persons: Arc<PersonMap>,
    subject_max: u32,
    of_person: OnceLock<Vec<u64>>,
}

impl PersonIds {
    pub(crate) const fn new(
        permutation: IdPermutation,
        persons: Arc<PersonMap>,
        subject_max: u32,
    ) -> Self {
        Self { permutation, persons, subject_max, of_person: OnceLock::new() }
    }

    /// The id of a subject's person: 53 bits, different for each purpose.
    pub(crate) fn person(&self, rid: Rid) -> i64 {
        if mutants::is_on(Mutant::PlainIds) {
            return rid.column_value();
        }
        let person_number = |rid| u64::from(self.persons.person_of(rid).0.get());
        let of_person = self.of_person.get_or_init(|| {
            let mut ids: Vec<u64> =
                (0..=self.subject_max).map(|rid| person_number(Rid::new(rid))).collect();
            // Many at once are far cheaper than one by one.
            self.permutation.forward_all(&mut ids);
            ids
        });
        let known = of_person.get(rid.get() as usize).copied();
        as_column(known.unwrap_or_else(|| self.permutation.forward(person_number(rid))))
    }

    /// The id of the subject itself, from a range that no person's id comes from.
    pub(crate) fn subject(&self, rid: Rid) -> i64 {
        as_column(self.permutation.forward(u64::from(rid.get()) | SUBJECT_RANGE))
    }

    /// The subjects whose person has this id; none if no person has.
    pub(crate) fn of_person(&self, id: i64) -> Vec<Rid> {
        let number = u64::try_from(id).ok().and_then(|id| self.permutation.inverse(id));
        let number = number.and_then(|number| u32::try_from(number).ok()).map(Rid::new);
        number.map_or_else(Vec::new, |number| self.persons.members(PersonId(number)))
    }

    /// The subject with this id, if there is one.
    pub(crate) fn of_subject(&self, id: i64) -> Option<Rid> {
        let number = self.permutation.inverse(u64::try_from(id).ok()?)?;
        let number = number.checked_sub(SUBJECT_RANGE)?;
        u32::try_from(number).ok().map(Rid::new)
    }
}

/// Ids are below 2^53, so the conversion is exact.
const fn as_column(id: u64) -> i64 {
    id as i64
}
