//! Whether rows about one person name another.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by a scan that shows who else is named in a row: that changes with what those others say.
#[derive(Debug, Default)]
pub(crate) struct OthersNamed(AtomicBool);

impl OthersNamed {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
