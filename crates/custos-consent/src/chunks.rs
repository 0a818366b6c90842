//! What is kept of many subjects, of which a copy shares all that stays equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use custos_core::Rid;

/// Subjects of a chunk, as a power of two: few, since a chunk is copied as a whole when it changes;
/// many, since all chunks are counted when the whole is copied.
const SUBJECTS_LOG2: u32 = 10;

/// Chunks of neighbouring subjects, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunks<C>(BTreeMap<u32, Arc<C>>);

impl<C> Default for Chunks<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: Clone + Default> Chunks<C> {
    /// The chunk of a subject, if there is any.
    pub(crate) fn of(&self, rid: Rid) -> Option<&C> {
        self.0.get(&(rid.get() >> SUBJECTS_LOG2)).map(Arc::as_ref)
    }

    /// The chunk of a subject, to be changed.
    pub(crate) fn change(&mut self, rid: Rid) -> &mut C {
        Arc::make_mut(self.0.entry(rid.get() >> SUBJECTS_LOG2).or_default())
    }

    /// All chunks.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &C> {
        self.0.values().map(Arc::as_ref)
    }
}
