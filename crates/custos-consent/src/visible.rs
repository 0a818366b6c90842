//! Who is visible for a purpose.

use custos_core::{PersonMap, Purpose, Rid, Timestamp};
use roaring::RoaringBitmap;

use crate::book::{given_for_a_time, shared_subjects, standing};
use crate::persons::{members_of, persons_of};
use crate::{ConsentBook, ConsentState, ConsentTopic, Requirements};

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
        self.visible_under(purpose, basis, Requirements::default(), persons, everyone, now)
    }

    /// As [`visible`](Self::visible), for a purpose that asks for more than its legal basis does.
    ///
    /// Each separate consent is needed as a grant, whatever the basis. Where ages count, the young
    /// need a guardian's grant where others need their own, and what a guardian says against a
    /// purpose holds while they are young; see [`AgeLimits`](crate::AgeLimits). What rests on
    /// [`RowBasis::Always`] asks for nothing.
    pub fn visible_under(
        &self,
        purpose: &Purpose,
        basis: RowBasis,
        requirements: Requirements<'_>,
        persons: &PersonMap,
        everyone: &RoaringBitmap,
        now: Timestamp,
    ) -> RoaringBitmap {
        if basis == RowBasis::Always {
            return everyone.clone();
        }
        let ages = requirements.ages;
        let young = ages.map(|ages| ages.guardian().below(persons, everyone, now));
        let world = World { persons, everyone, now, young: young.as_ref() };
        let own = ConsentTopic::own(purpose.clone());
        let voices = self.voices(&own, &world);
        let mut visible = match basis {
            RowBasis::Always => everyone.clone(),
            RowBasis::NeedsGrant => everyone & members_of(&voices.consenting(&world), persons),
            RowBasis::UnlessObjected => {
                let mut hidden = voices.against(&world);
                if let Some(ages) = ages {
                    let need_grant = ages.grant().below(persons, everyone, now);
                    hidden |= need_grant - voices.consenting(&world);
                }
                everyone - members_of(&hidden, persons)
            }
            RowBasis::UnlessRestricted => {
                everyone - members_of(&voices.restricted(&world), persons)
            }
        };
        for separate in requirements.separate.iter() {
            let topic = ConsentTopic { separate: Some(separate), ..own.clone() };
            visible &= members_of(&self.voices(&topic, &world).consenting(&world), persons);
        }
        visible
    }

    /// The next instant at which what is [visible under](Self::visible_under) these requirements
    /// may change, unless an event comes first.
    pub fn next_change_under(
        &self,
        purpose: &Purpose,
        requirements: Requirements<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let own = ConsentTopic::own(purpose.clone());
        let separate = requirements.separate.iter();
        let topics = separate.map(|kind| ConsentTopic { separate: Some(kind), ..own.clone() });
        let mut topics: Vec<_> = topics.chain([own.clone()]).collect();
        if requirements.ages.is_some() {
            let guarded = topics.clone().into_iter();
            topics.extend(guarded.map(|topic| ConsentTopic { by_guardian: true, ..topic }));
        }
        let expiries = topics.iter().filter_map(|topic| self.next_change(&topic.name().ok()?, now));
        let birthday = requirements.ages.and_then(|ages| ages.next_change(now));
        expiries.chain(birthday).min()
    }

    /// What was said about a topic, by guardians too where ages count.
    fn voices(&self, topic: &ConsentTopic, world: &World<'_>) -> Voices {
        let said = |topic: &ConsentTopic| Some(self.said(&topic.name().ok()?, world.now));
        let by_guardian = || ConsentTopic { by_guardian: true, ..topic.clone() };
        Voices {
            own: said(topic).unwrap_or_default(),
            guardian: world.young.and_then(|_| said(&by_guardian())),
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

/// Who there is, and when.
struct World<'a> {
    persons: &'a PersonMap,
    everyone: &'a RoaringBitmap,
    now: Timestamp,
    /// The persons whose guardians speak for them, where ages count.
    young: Option<&'a RoaringBitmap>,
}

/// The subjects that said yes, those that said no, and of these the restricted ones.
#[derive(Default)]
struct Said {
    given: RoaringBitmap,
    against: RoaringBitmap,
    restricted: RoaringBitmap,
}

/// What was said about one topic. Whom it holds for is worked out only as far as it is asked.
struct Voices {
    own: Said,
    /// `None` if guardians cannot speak about this topic.
    guardian: Option<Said>,
}

impl Voices {
    /// The persons with a grant of the right person's and nothing against it.
    fn consenting(&self, world: &World<'_>) -> RoaringBitmap {
        let granted = |said: &Said| persons_of(&(&said.given & world.everyone), world.persons);
        let own = granted(&self.own);
        let granted = match world.young {
            None => own,
            Some(young) => {
                let guardian = self.guardian.as_ref().map(granted).unwrap_or_default();
                (own - young) | (guardian & young)
            }
        };
        granted - self.against(world)
    }

    /// The persons with something against it.
    fn against(&self, world: &World<'_>) -> RoaringBitmap {
        self.of_either(world, |said| &said.against)
    }

    /// The persons of whom processing is restricted.
    fn restricted(&self, world: &World<'_>) -> RoaringBitmap {
        self.of_either(world, |said| &said.restricted)
    }

    /// The persons in a set of their own, or, while they are young, of their guardians'.
    fn of_either(&self, world: &World<'_>, set: fn(&Said) -> &RoaringBitmap) -> RoaringBitmap {
        let own = persons_of(set(&self.own), world.persons);
        match (world.young, &self.guardian) {
            (None, _) => own,
            (Some(young), Some(guardian)) => {
                own | (persons_of(set(guardian), world.persons) & young)
            }
            // What guardians cannot say, they could not say against it either.
            (Some(young), None) => own | young,
        }
    }
}

#[cfg(test)]
mod tests;
