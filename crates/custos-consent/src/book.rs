//! All consent events of a cell, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use custos_core::{Purpose, Rid, Timestamp};
use roaring::RoaringBitmap;

use crate::chunks::Chunks;
use crate::ledger::Ledger;
use crate::standing::Standing;
use crate::{ConsentEvent, ConsentState};

/// The consent of every subject for every purpose.
///
/// A book is a set of events: applying one twice, or in another order, changes nothing. A copy costs
/// little, and shares what is not changed afterwards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsentBook {
    said: Chunks<Said>,
    ledgers: BTreeMap<Purpose, Ledger>,
}

/// What some subjects said.
#[derive(Debug, Clone, Default, PartialEq)]
struct Said {
    /// In order of time, for each subject.
    histories: BTreeMap<Rid, Vec<ConsentEvent>>,
    /// When grants run out.
    expiries: BTreeSet<Timestamp>,
}

impl ConsentBook {
    /// The book of these events.
    pub fn from_events(events: impl IntoIterator<Item = ConsentEvent>) -> Self {
        let mut book = Self::default();
        for event in events {
            book.apply(event);
        }
        book
    }

    /// Adds an event. One about nobody in particular is left out.
    pub fn apply(&mut self, event: ConsentEvent) {
        if event.rid.is_none() {
            return;
        }
        let Err(place) = self.history(event.rid).binary_search(&event) else {
            return;
        };
        let said = Standing::of(&event);
        // `entry` would need a copy of the purpose for each event.
        match self.ledgers.get_mut(&event.purpose) {
            Some(ledger) => ledger.join(event.rid, &said),
            None => {
                self.ledgers.entry(event.purpose.clone()).or_default().join(event.rid, &said);
            }
        }
        let chunk = self.said.change(event.rid);
        chunk.expiries.extend(event.expires_at);
        chunk.histories.entry(event.rid).or_default().insert(place, event);
    }

    /// What holds for a subject and a purpose at `now`.
    ///
    /// Events for a purpose cover all purposes within it. Of those that cover `purpose` the
    /// latest wins, at equal times the more restrictive one; what is not a grant never lifts a
    /// more restrictive event before it.
    pub fn state(&self, rid: Rid, purpose: &Purpose, now: Timestamp) -> ConsentState {
        standing(&self.covering(purpose), rid).state(now)
    }

    /// A subject's events in order of time.
    pub fn history(&self, rid: Rid) -> &[ConsentEvent] {
        let history = self.said.of(rid).and_then(|chunk| chunk.histories.get(&rid));
        history.map_or(&[], Vec::as_slice)
    }

    /// The largest subject of whom anything is known, 0 if there is none.
    pub fn subject_max(&self) -> u32 {
        let last = self.said.iter().next_back().and_then(|chunk| chunk.histories.last_key_value());
        last.map_or(0, |(rid, _)| rid.get())
    }

    /// The next instant at which a grant for `purpose` runs out, unless an event comes first.
    pub fn next_change(&self, purpose: &Purpose, now: Timestamp) -> Option<Timestamp> {
        let covering = self.covering(purpose);
        let open = shared_subjects(&covering) | given_for_a_time(&covering);
        open.iter().filter_map(|rid| standing(&covering, Rid::new(rid)).expires_after(now)).min()
    }

    /// The next instant at which any grant runs out. Nothing changes before it, for no purpose,
    /// unless an event comes first.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Bound::Excluded(now), Bound::Unbounded);
        let next = self.said.iter().filter_map(|chunk| chunk.expiries.range(later).next());
        next.min().copied()
    }

    /// The ledgers whose events cover `purpose`.
    pub(crate) fn covering(&self, purpose: &Purpose) -> Vec<&Ledger> {
        self.ledgers
            .iter()
            .filter(|(covered, _)| purpose.is_within(covered))
            .map(|(_, ledger)| ledger)
            .collect()
    }
}

/// Where a subject stands with the purpose that these ledgers cover.
pub(crate) fn standing(covering: &[&Ledger], rid: Rid) -> Standing {
    let mut standing = Standing::ABSENT;
    for own in covering.iter().filter_map(|ledger| ledger.standing(rid)) {
        standing.join(own);
    }
    standing
}

/// The subjects of whom several of these ledgers tell.
pub(crate) fn shared_subjects(ledgers: &[&Ledger]) -> RoaringBitmap {
    let mut seen = RoaringBitmap::new();
    let mut shared = RoaringBitmap::new();
    for ledger in ledgers {
        shared |= &seen & &ledger.subjects;
        seen |= &ledger.subjects;
    }
    shared
}

/// The subjects whose grant in one of these ledgers runs out.
pub(crate) fn given_for_a_time(ledgers: &[&Ledger]) -> RoaringBitmap {
    let mut subjects = RoaringBitmap::new();
    for ledger in ledgers {
        subjects |= &ledger.given_for_a_time;
    }
    subjects
}

#[cfg(test)]
mod tests;
