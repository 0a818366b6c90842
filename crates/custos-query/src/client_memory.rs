//! Memory that clients have beside that of their statements.

use std::sync::Arc;

use custos_core::PrincipalId;

use crate::budget::Budget;
use crate::per_principal::PerPrincipal;
use crate::{Limits, QueryError};

/// What connections may have of the memory that statements share, as one in so many: what they
/// keep has no end, so that statements must be left most of it.
const PART: u64 = 4;

/// What the connections of all principals hold.
#[derive(Debug)]
pub(crate) struct ClientMemories {
    all: Arc<Budget>,
    principal_bytes_max: u64,
    principals: PerPrincipal<Budget>,
}

impl ClientMemories {
    /// A part of `memory`, which is that of all statements.
    pub(crate) fn new(limits: &Limits, memory: &Arc<Budget>) -> Self {
        Self {
            all: Arc::new(Budget::within(limits.memory_bytes / PART, memory)),
            principal_bytes_max: limits.principal_memory_bytes / PART,
            principals: PerPrincipal::default(),
        }
    }

    /// Memory for one more connection or call of a principal.
    pub(crate) fn of(&self, principal: &PrincipalId) -> ClientMemory {
        let budget = || Budget::within(self.principal_bytes_max, &self.all);
        ClientMemory { budget: self.principals.get_or(principal, budget), held: 0 }
    }
}

/// Memory of what a client sends and has kept, given back when this is dropped.
///
/// A quarter of what statements may have is for it, and of one principal a quarter of what that
/// one's may: however many connections there are, their messages and what they keep take no more.
#[derive(Debug)]
pub struct ClientMemory {
    budget: Arc<Budget>,
    held: u64,
}

impl ClientMemory {
    /// Memory of somebody who has no share of any principal's.
    #[must_use]
    pub fn up_to(bytes_max: u64) -> Self {
        Self { budget: Arc::new(Budget::new(bytes_max)), held: 0 }
    }

    /// Holds so many bytes in place of those that it holds.
    ///
    /// More than there are is [`QueryError::ClientMemoryFull`], and then it holds what it held.
    pub fn hold(&mut self, bytes: u64) -> Result<(), QueryError> {
        match bytes.checked_sub(self.held) {
            Some(more) if !self.budget.take(more) => return Err(QueryError::ClientMemoryFull),
            Some(_) => {}
            None => self.budget.give_back(self.held - bytes),
        }
        self.held = bytes;
        Ok(())
    }

    /// The bytes that it holds.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }
}

impl Drop for ClientMemory {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn limits(memory_bytes: u64, principal_memory_bytes: u64) -> Limits {
        let limits = Limits::with_spill_in(PathBuf::new());
        Limits { memory_bytes, principal_memory_bytes, ..limits }
    }

    #[test]
    fn connections_share_a_quarter_of_their_principals_memory_and_all_a_quarter_of_all() {
        let limits = limits(400, 240);
        let statements = Arc::new(Budget::new(limits.memory_bytes));
        let clients = ClientMemories::new(&limits, &statements);
        let of = |name: &str| clients.of(&name.parse().unwrap());
        let (mut one, mut same, mut other) = (of("a"), of("a"), of("b"));
        one.hold(50).unwrap();
        assert!(matches!(same.hold(11), Err(QueryError::ClientMemoryFull)), "60 of a principal");
        same.hold(10).unwrap();
        assert!(other.hold(41).is_err(), "100 of all");
        other.hold(40).unwrap();
        assert_eq!(statements.taken(), 100);
        assert!(one.hold(51).is_err());
        assert_eq!(one.held(), 50, "what was refused changed nothing");
        one.hold(5).unwrap();
        same.hold(55).unwrap();
        drop((one, same));
        assert_eq!(statements.taken(), 40);
        let mut again = of("a");
        again.hold(60).unwrap();
        drop((again, other));
        assert_eq!(statements.taken(), 0);
    }

    #[test]
    fn statements_leave_connections_what_they_do_not_take() {
        let limits = limits(400, 400);
        let statements = Arc::new(Budget::new(limits.memory_bytes));
        let mut held = ClientMemories::new(&limits, &statements).of(&"a".parse().unwrap());
        assert!(statements.take(350));
        assert!(held.hold(51).is_err());
        held.hold(50).unwrap();
        assert!(!statements.take(1));
    }
}
