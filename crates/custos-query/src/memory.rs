//! The memory of one statement.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use crate::budget::Budget;
use crate::shortage::Shortages;

/// What an operator may have of the memory while others leave it, as one in so many.
const PART: usize = 16;

/// A statement's memory, all of it taken from what its principal has.
///
/// Half of it is divided evenly between the operators that can spill. The other half stays with
/// those that cannot, such as the merge of what was spilled: an even division of everything, as
/// the engine's own pool makes it, lets sorts take what they need to write themselves out, and
/// then fail. A plan of many operators leaves each an even part that is less than it needs even to
/// spill, while most of them hold nothing: each may have a [`PART`] as long as all that spill are
/// within their half.
#[derive(Debug)]
pub(crate) struct StatementMemory {
    bytes_max: usize,
    state: Mutex<State>,
    principal: Arc<Budget>,
    shortages: Arc<Shortages>,
}

#[derive(Debug, Default)]
struct State {
    /// How many operators can spill.
    spilling: usize,
    /// Bytes of all operators.
    taken: usize,
    /// Bytes of those that can spill.
    taken_spilling: usize,
}

impl StatementMemory {
    pub(crate) fn new(bytes_max: u64, principal: Arc<Budget>, shortages: Arc<Shortages>) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { bytes_max, state: Mutex::default(), principal, shortages }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes bytes of the statement's own, if they are left to this operator.
    fn take(&self, reservation: &MemoryReservation, bytes: usize) -> bool {
        let mut state = self.state();
        let of_operator = reservation.size().saturating_add(bytes);
        let of_all = state.taken.saturating_add(bytes);
        let can_spill = can_spill(reservation.consumer());
        let of_spilling = state.taken_spilling.saturating_add(if can_spill { bytes } else { 0 });
        let half = self.bytes_max / 2;
        let is_even_part = of_operator <= half / state.spilling.max(1);
        let is_left = of_operator <= self.bytes_max / PART && of_spilling <= half;
        let fits = of_all <= self.bytes_max && (!can_spill || is_even_part || is_left);
        if fits {
            (state.taken, state.taken_spilling) = (of_all, of_spilling);
        }
        fits
    }

    fn give_back(&self, reservation: &MemoryReservation, bytes: usize) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(bytes);
        if can_spill(reservation.consumer()) {
            state.taken_spilling = state.taken_spilling.saturating_sub(bytes);
        }
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl MemoryPool for StatementMemory {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if can_spill(consumer) {
            self.state().spilling += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if can_spill(consumer) {
            let mut state = self.state();
            state.spilling = state.spilling.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        state.taken += additional;
        if can_spill(reservation.consumer()) {
            state.taken_spilling += additional;
        }
        drop(state);
        self.principal.take_anyway(additional as u64);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.give_back(reservation, shrink);
        self.principal.give_back(shrink as u64);
    }

    /// The error's kind is what makes operators spill, so both refusals have the same.
    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let busy = match self.take(reservation, additional) {
            true if self.principal.take(additional as u64) => return Ok(()),
            true => {
                self.give_back(reservation, additional);
                true
            }
            false => false,
        };
        self.shortages.memory_refused(busy);
        Err(DataFusionError::ResourcesExhausted("there is no more memory".to_owned()))
    }

    fn reserved(&self) -> usize {
        self.state().taken
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max)
    }
}

/// Whether an operator does with less by writing to temporary files. What passes rows between
/// partitions says so and must not: see [`crate::spill::EXCHANGE`].
fn can_spill(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() && !consumer.name().starts_with("RepartitionExec[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(statement: u64, process: &Arc<Budget>) -> Arc<dyn MemoryPool> {
        let shortages = Arc::new(Shortages::default());
        Arc::new(StatementMemory::new(statement, Arc::clone(process), shortages))
    }

    #[test]
    fn operators_that_spill_get_even_parts_of_half_and_all_of_it_comes_back() {
        let process = Arc::new(Budget::new(100));
        let pool = pool(40, &process);
        let first = MemoryConsumer::new("first").with_can_spill(true).register(&pool);
        let second = MemoryConsumer::new("second").with_can_spill(true).register(&pool);
        let merge = MemoryConsumer::new("merge").register(&pool);
        assert!(first.try_grow(11).is_err());
        first.try_grow(10).unwrap();
        second.try_grow(10).unwrap();
        assert!(merge.try_grow(21).is_err());
        merge.try_grow(20).unwrap();
        assert_eq!((process.taken(), pool.reserved()), (40, 40));
        drop(second);
        first.try_grow(10).unwrap();
        drop((first, merge));
        assert_eq!((process.taken(), pool.reserved()), (0, 0));
    }

    #[test]
    fn among_many_operators_one_may_have_what_the_others_leave() {
        let process = Arc::new(Budget::new(1_000));
        let pool = pool(320, &process);
        let operator = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        // An even part is 160 / 40.
        let mut operators: Vec<_> = (0..40).map(|at| operator(&at.to_string())).collect();
        for operator in &operators[..8] {
            operator.try_grow(20).unwrap();
            assert!(operator.try_grow(1).is_err(), "a sixteenth");
        }
        assert!(operators[8].try_grow(5).is_err(), "the half of those that spill is taken");
        operators[8].try_grow(4).unwrap();
        drop(operators.remove(0));
        operators[7].try_grow(5).unwrap();
        drop(operators);
        assert_eq!((process.taken(), pool.reserved()), (0, 0));
    }

    #[test]
    fn one_statement_cannot_take_what_another_holds() {
        let process = Arc::new(Budget::new(15));
        let (one, other) = (pool(10, &process), pool(10, &process));
        let held = MemoryConsumer::new("held").register(&one);
        held.try_grow(10).unwrap();
        let wanted = MemoryConsumer::new("wanted").register(&other);
        assert!(matches!(wanted.try_grow(6), Err(DataFusionError::ResourcesExhausted(_))));
        assert_eq!((process.taken(), other.reserved()), (10, 0));
        wanted.try_grow(5).unwrap();
        drop(held);
        wanted.try_grow(5).unwrap();
    }
}
