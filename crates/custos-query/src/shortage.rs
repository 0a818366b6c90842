//! Why a statement could not have the memory or the space that it asked for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::QueryError;

/// Why a temporary file cannot be used. No statement goes on after one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpillFailure {
    /// The statement's temporary space is used up.
    StatementFull,
    /// All temporary space is used up.
    ProcessFull,
    /// The disk does not do what it is asked.
    Disk,
    /// What comes back is not what was written.
    Damaged,
}

impl From<SpillFailure> for QueryError {
    fn from(failure: SpillFailure) -> Self {
        match failure {
            SpillFailure::StatementFull => Self::SpillFull,
            SpillFailure::ProcessFull => Self::Busy,
            SpillFailure::Disk => Self::SpillDisk,
            SpillFailure::Damaged => Self::SpillDamaged,
        }
    }
}

/// What one statement was refused.
///
/// The engine passes refusals on in wrappings of its own, or through threads and as text; here
/// they stay what they were.
#[derive(Debug, Default)]
pub(crate) struct Shortages {
    spill: OnceLock<SpillFailure>,
    busy: AtomicBool,
}

impl Shortages {
    /// Notes a failure of a temporary file; the first is the cause of all others.
    pub(crate) fn spill_failed(&self, failure: SpillFailure) -> QueryError {
        (*self.spill.get_or_init(|| failure)).into()
    }

    /// Notes that memory was refused, and whether only because other statements hold it.
    pub(crate) fn memory_refused(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// The cause of a failure, where it lies in what the statement was refused.
    pub(crate) fn explain(&self, error: QueryError) -> QueryError {
        match (self.spill.get(), error) {
            (Some(failure), QueryError::Compute | QueryError::TooLarge | QueryError::Internal) => {
                (*failure).into()
            }
            (None, QueryError::TooLarge) if self.busy.load(Ordering::Relaxed) => QueryError::Busy,
            (_, error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_temporary_file_explains_what_the_engine_made_of_it() {
        let shortages = Shortages::default();
        assert!(matches!(shortages.explain(QueryError::Compute), QueryError::Compute));
        assert!(matches!(
            shortages.spill_failed(SpillFailure::StatementFull),
            QueryError::SpillFull
        ));
        // A consequence, such as a reader that finds the file cut, is not the cause.
        assert!(matches!(shortages.spill_failed(SpillFailure::Damaged), QueryError::SpillFull));
        assert!(matches!(shortages.explain(QueryError::Compute), QueryError::SpillFull));
        assert!(matches!(shortages.explain(QueryError::Cast), QueryError::Cast));
    }

    #[test]
    fn memory_that_others_hold_is_no_fault_of_the_statement() {
        let shortages = Shortages::default();
        shortages.memory_refused(true);
        assert!(matches!(shortages.explain(QueryError::TooLarge), QueryError::Busy));
        shortages.memory_refused(false);
        assert!(matches!(shortages.explain(QueryError::TooLarge), QueryError::TooLarge));
    }
}
