//! Who is visible for a purpose.

use custos_core::{PersonId, PersonMap, Purpose, Rid, Timestamp};
use roaring::RoaringBitmap;

use crate::book::{given_for_a_time, shared_subjects, standing};
use crate::{ConsentBook, ConsentState};

/// What a purpose's legal basis asks of the people whose rows it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowBasis {
    /// Consent: a valid grant, and nothing said against it.
    NeedsGrant,
    /// Legitimate interest: nothing said against it.
    UnlessObjected,
    /// Contract or legal duty: not restricted.
    UnlessRestricted,
    /// Legal claims and the like: everybody.
    Always,
}

/// Up to this many persons are looked up one by one; for more, all clusters are walked once.
const PERSONS_LOOKED_UP_MAX: u64 = 10_000;

impl ConsentBook {
    /// The subjects, out of `everyone` alive, whose rows may be read for `purpose` at `now`.
    ///
    /// People count as a whole. What one subject of a person stands against holds for all of
    /// them, even if that subject is no longer alive; a grant by a living one serves all. Neither
    /// absence nor expiry says anything in a merge, and neither is a grant.
    pub fn visible(
        &self,
        purpose: &Purpose,
        basis: RowBasis,
        persons: &PersonMap,
        everyone: &RoaringBitmap,
        now: Timestamp,
    ) -> RoaringBitmap {
        match basis {
            RowBasis::NeedsGrant => {
                let said = self.said(purpose, now);
                let granted = persons_of(&(said.given & everyone), persons);
                let against = persons_of(&said.against, persons);
                members_of(&(granted - against), persons) & everyone
            }
            RowBasis::UnlessObjected => {
                let against = persons_of(&self.said(purpose, now).against, persons);
                everyone - members_of(&against, persons)
            }
            RowBasis::UnlessRestricted => {
                let restricted = persons_of(&self.said(purpose, now).restricted, persons);
                everyone - members_of(&restricted, persons)
            }
            RowBasis::Always => everyone.clone(),
        }
    }

    fn said(&self, purpose: &Purpose, now: Timestamp) -> Said {
        let covering = self.covering(purpose);
        let shared = shared_subjects(&covering);
        let mut said = Said::default();
        for ledger in &covering {
            said.given |= &ledger.given - &shared;
            said.against |= &ledger.against - &shared;
            said.restricted |= &ledger.restricted - &shared;
        }
        // Only these are to be looked at one by one.
        for rid in shared | given_for_a_time(&covering) {
            let state = standing(&covering, Rid::new(rid)).state(now);
            if state == ConsentState::Given {
                said.given.insert(rid);
            }
            if state.is_against() {
                said.against.insert(rid);
            }
            if state == ConsentState::Restricted {
                said.restricted.insert(rid);
            }
        }
        said
    }
}

/// The subjects that said yes, those that said no, and of these the restricted ones.
#[derive(Default)]
struct Said {
    given: RoaringBitmap,
    against: RoaringBitmap,
    restricted: RoaringBitmap,
}

/// The persons, by number, whom these subjects belong to.
fn persons_of(subjects: &RoaringBitmap, persons: &PersonMap) -> RoaringBitmap {
    subjects.iter().map(|rid| persons.person_of(Rid::new(rid)).0.get()).collect()
}

/// All subjects of these persons.
fn members_of(people: &RoaringBitmap, persons: &PersonMap) -> RoaringBitmap {
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

#[cfg(test)]
mod tests;
