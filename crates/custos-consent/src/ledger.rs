//! Where each subject stands with one purpose.

use std::collections::BTreeMap;

use custos_core::{Rid, Timestamp};
use roaring::RoaringBitmap;

use crate::ConsentState;
use crate::chunks::Chunks;
use crate::standing::Standing;

/// What the events of exactly one purpose add up to.
///
/// The sets answer for the many subjects whom neither another purpose's events nor time concern.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ledger {
    standings: Chunks<BTreeMap<Rid, Standing>>,
    /// All subjects with a standing.
    pub(crate) subjects: RoaringBitmap,
    /// A grant that never runs out.
    pub(crate) given: RoaringBitmap,
    /// A grant that runs out, or did.
    pub(crate) given_for_a_time: RoaringBitmap,
    /// Refused, withdrawn, objected or restricted.
    pub(crate) against: RoaringBitmap,
    /// Restricted only.
    pub(crate) restricted: RoaringBitmap,
}

impl Ledger {
    /// Where a subject stands, if anything was said.
    pub(crate) fn standing(&self, rid: Rid) -> Option<&Standing> {
        self.standings.of(rid)?.get(&rid)
    }

    /// Adds what one event says.
    pub(crate) fn join(&mut self, rid: Rid, said: &Standing) {
        let standing = self.standings.change(rid).entry(rid).or_insert(Standing::ABSENT);
        standing.join(said);
        let runs_out = standing.runs_out();
        // Before anything runs out, so that the sets hold at every instant.
        let state = standing.state(Timestamp::from_micros(i64::MIN));
        let number = rid.get();
        self.subjects.insert(number);
        place(&mut self.given, number, state == ConsentState::Given && !runs_out);
        place(&mut self.given_for_a_time, number, state == ConsentState::Given && runs_out);
        place(&mut self.against, number, state.is_against());
        place(&mut self.restricted, number, state == ConsentState::Restricted);
    }
}

fn place(set: &mut RoaringBitmap, number: u32, belongs: bool) {
    if belongs {
        set.insert(number);
    } else {
        set.remove(number);
    }
}
