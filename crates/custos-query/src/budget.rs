//! Bytes that several share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of which only so many may be taken at a time.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    taken: AtomicU64,
    /// What this is a part of, and what is taken here is taken from too.
    whole: Option<Arc<Self>>,
}

impl Budget {
    pub(crate) const fn new(bytes_max: u64) -> Self {
        Self { bytes_max, taken: AtomicU64::new(0), whole: None }
    }

    /// A part of another budget.
    pub(crate) fn within(bytes_max: u64, whole: &Arc<Self>) -> Self {
        Self { bytes_max, taken: AtomicU64::new(0), whole: Some(Arc::clone(whole)) }
    }

    /// Takes all of these bytes, or none.
    #[must_use]
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let taken = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err() {
            return false;
        }
        let is_left = self.whole.as_ref().is_none_or(|whole| whole.take(bytes));
        if !is_left {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        is_left
    }

    /// Takes bytes that are in use already, whatever is left.
    pub(crate) fn take_anyway(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.take_anyway(bytes);
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }

    /// The bytes that are taken now.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let budget = Budget::new(10);
        assert!(budget.take(10));
        assert!(!budget.take(1));
        assert!(!budget.take(u64::MAX));
        budget.give_back(4);
        assert!(!budget.take(5));
        assert!(budget.take(4));
        assert_eq!(budget.taken(), 10);
    }
}
