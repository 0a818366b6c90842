//! From sets of subjects to sets of persons, and back.

use custos_core::{PersonId, PersonMap, Rid};
use roaring::RoaringBitmap;

/// Up to this many persons are looked up one by one; for more, all clusters are walked once.
pub(crate) const PERSONS_LOOKED_UP_MAX: u64 = 10_000;

/// The persons, by number, whom these subjects belong to.
pub(crate) fn persons_of(subjects: &RoaringBitmap, persons: &PersonMap) -> RoaringBitmap {
    subjects.iter().map(|rid| persons.person_of(Rid::new(rid)).0.get()).collect()
}

/// All subjects of these persons.
pub(crate) fn members_of(people: &RoaringBitmap, persons: &PersonMap) -> RoaringBitmap {
    if people.len() <= PERSONS_LOOKED_UP_MAX {
        return people
            .iter()
            .flat_map(|person| persons.members(PersonId(Rid::new(person))))
            .map(Rid::get)
            .collect();
    }
    // A person is its own smallest subject, so only clusters add to the set.
    let mut members = people.clone();
    for (person, cluster) in persons.clusters() {
        if people.contains(person.0.get()) {
            members.extend(cluster);
        }
    }
    members
}
