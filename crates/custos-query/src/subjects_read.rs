//! Whose rows a statement may have read.

use std::sync::{Mutex, PoisonError};

use roaring::RoaringBitmap;

/// The accounts that a statement may have seen rows of: never too few, and too many where it
/// filtered, for what is filtered out was read.
#[derive(Debug, Default)]
pub(crate) struct SubjectsRead(Mutex<RoaringBitmap>);

impl SubjectsRead {
    pub(crate) fn add(&self, subjects: &RoaringBitmap) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) |= subjects;
    }

    pub(crate) fn bitmap(&self) -> RoaringBitmap {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
