//! Which subjects are one person.

use std::collections::BTreeMap;

use crate::{PersonId, Rid};

/// For each subject the person it belongs to, as of one run of identity resolution.
///
/// A subject that resolution has not seen yet is a person of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonMap {
    person_of: Vec<u32>,
    members: BTreeMap<u32, Vec<u32>>,
}

impl PersonMap {
    /// Builds the map from clusters; clusters of one are implied.
    pub fn from_clusters(clusters: impl IntoIterator<Item = Vec<Rid>>) -> Self {
        let mut map = Self::default();
        for mut cluster in clusters {
            cluster.retain(|rid| !rid.is_none());
            cluster.sort_unstable();
            cluster.dedup();
            let Some(first) = cluster.first().copied() else { continue };
            if cluster.len() < 2 {
                continue;
            }
            for rid in &cluster {
                let slot = rid.get() as usize;
                if map.person_of.len() <= slot {
                    map.person_of.resize(slot + 1, 0);
                }
                map.person_of[slot] = first.get();
            }
            map.members.insert(first.get(), cluster.iter().map(|rid| rid.get()).collect());
        }
        map
    }

    /// The person of a subject.
    pub fn person_of(&self, rid: Rid) -> PersonId {
        match self.person_of.get(rid.get() as usize) {
            Some(&person) if person != 0 => PersonId(Rid::new(person)),
            _ => PersonId(rid),
        }
    }

    /// All subjects of a person, in order.
    pub fn members(&self, person: PersonId) -> Vec<Rid> {
        match self.members.get(&person.0.get()) {
            Some(members) => members.iter().map(|&rid| Rid::new(rid)).collect(),
            None => vec![person.0],
        }
    }

    /// The clusters of two and more subjects.
    pub fn clusters(&self) -> impl Iterator<Item = (PersonId, &[u32])> {
        self.members.iter().map(|(&person, members)| (PersonId(Rid::new(person)), &**members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_by_its_smallest_subject() {
        let map = PersonMap::from_clusters([vec![Rid::new(7), Rid::new(3)], vec![Rid::new(5)]]);
        assert_eq!(map.person_of(Rid::new(7)), PersonId(Rid::new(3)));
        assert_eq!(map.members(PersonId(Rid::new(3))), [Rid::new(3), Rid::new(7)]);
        assert_eq!(map.person_of(Rid::new(5)), PersonId(Rid::new(5)));
        assert_eq!(map.members(PersonId(Rid::new(99))), [Rid::new(99)]);
    }
}
