//! Bytes that several share.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of which only so many may be taken at a time.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    taken: AtomicU64,
}

impl Budget {
    pub(crate) const fn new(bytes_max: u64) -> Self {
        Self { bytes_max, taken: AtomicU64::new(0) }
    }

    /// Takes all of these bytes, or none.
    #[must_use]
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let taken = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Takes bytes that are in use already, whatever is left.
    pub(crate) fn take_anyway(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
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
