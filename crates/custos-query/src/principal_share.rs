//! What one principal may have of a process, so that nobody starves the others.

use std::sync::Arc;

use custos_core::PrincipalId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::budget::Budget;
use crate::fair_queue::Account;
use crate::per_principal::PerPrincipal;
use crate::{Limits, QueryError};

/// Statements that one principal may have waiting for each that runs; more is a flood.
const WAITING_PER_RUNNING: usize = 8;

/// The shares of those who have statements.
#[derive(Debug)]
pub(crate) struct PrincipalShares {
    limits: Arc<Limits>,
    memory: Arc<Budget>,
    space: Arc<Budget>,
    shares: PerPrincipal<Share>,
}

#[derive(Debug)]
struct Share {
    memory: Arc<Budget>,
    space: Arc<Budget>,
    computed: Arc<Account>,
    /// Places of statements that wait or run.
    places: Arc<Semaphore>,
    /// Places of those that run.
    running: Arc<Semaphore>,
}

/// A statement's turn: while it lives, one statement less of the principal may run.
#[derive(Debug)]
pub(crate) struct Turn {
    share: Arc<Share>,
    _place: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Turn {
    /// The memory of all statements of the principal.
    pub(crate) fn memory(&self) -> Arc<Budget> {
        Arc::clone(&self.share.memory)
    }

    /// The temporary space of all statements of the principal.
    pub(crate) fn space(&self) -> Arc<Budget> {
        Arc::clone(&self.share.space)
    }

    /// What all statements of the principal have computed.
    pub(crate) fn computed(&self) -> &Arc<Account> {
        &self.share.computed
    }
}

impl PrincipalShares {
    pub(crate) fn new(limits: Arc<Limits>, memory: Arc<Budget>, space: Arc<Budget>) -> Self {
        Self { limits, memory, space, shares: PerPrincipal::default() }
    }

    /// Waits until the principal may run another statement, for as long as one may take.
    ///
    /// Too many that wait already are [`QueryError::TooManyStatements`].
    pub(crate) async fn turn(&self, principal: &PrincipalId) -> Result<Turn, QueryError> {
        let limit = self.limits.principal_statements;
        let share = self.share(principal);
        let place = Arc::clone(&share.places)
            .try_acquire_owned()
            .map_err(|_| QueryError::TooManyStatements { limit })?;
        let running = Arc::clone(&share.running).acquire_owned();
        let running = timeout(self.limits.statement_time, running).await;
        let running = running
            .map_err(|_| QueryError::TooManyStatements { limit })?
            .map_err(|_| QueryError::Internal)?;
        Ok(Turn { share, _place: place, _running: running })
    }

    fn share(&self, principal: &PrincipalId) -> Arc<Share> {
        let limits = &self.limits;
        let running = limits.principal_statements.clamp(1, Semaphore::MAX_PERMITS >> 8);
        self.shares.get_or(principal, || Share {
            memory: Arc::new(Budget::within(limits.principal_memory_bytes, &self.memory)),
            space: Arc::new(Budget::within(limits.principal_spill_bytes, &self.space)),
            computed: Arc::default(),
            places: Arc::new(Semaphore::new(running * (1 + WAITING_PER_RUNNING))),
            running: Arc::new(Semaphore::new(running)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use futures::poll;

    use super::*;

    fn shares(principal_statements: usize) -> PrincipalShares {
        let limits = Limits {
            principal_statements,
            principal_memory_bytes: 60,
            statement_time: Duration::from_millis(20),
            ..Limits::with_spill_in(PathBuf::new())
        };
        let budget = || Arc::new(Budget::new(100));
        PrincipalShares::new(Arc::new(limits), budget(), budget())
    }

    fn named(name: &str) -> PrincipalId {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn a_statement_too_many_waits_and_other_principals_do_not() {
        let shares = shares(2);
        let first = shares.turn(&named("a")).await.unwrap();
        let _second = shares.turn(&named("a")).await.unwrap();
        let a = named("a");
        let mut third = Box::pin(shares.turn(&a));
        assert!(poll!(&mut third).is_pending());
        let _other = shares.turn(&named("b")).await.unwrap();
        drop(first);
        let _third = third.await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_too_long_or_floods_is_told_to_come_back() {
        let shares = shares(1);
        let a = named("a");
        let _running = shares.turn(&a).await.unwrap();
        let error = shares.turn(&a).await.unwrap_err();
        assert!(matches!(error, QueryError::TooManyStatements { limit: 1 }), "{error}");
        let mut waiting: Vec<_> =
            (0..WAITING_PER_RUNNING).map(|_| Box::pin(shares.turn(&a))).collect();
        for turn in &mut waiting {
            assert!(poll!(turn).is_pending());
        }
        let mut refused = Box::pin(shares.turn(&a));
        assert!(matches!(
            poll!(&mut refused),
            std::task::Poll::Ready(Err(QueryError::TooManyStatements { .. }))
        ));
    }

    #[tokio::test]
    async fn one_principal_cannot_take_the_memory_of_all() {
        let shares = shares(4);
        let (one, same) =
            (shares.turn(&named("a")).await.unwrap(), shares.turn(&named("a")).await.unwrap());
        let other = shares.turn(&named("b")).await.unwrap();
        assert!(one.memory().take(50));
        assert!(!same.memory().take(20), "60 of a principal");
        assert!(other.memory().take(50));
        assert!(!same.memory().take(5), "100 of all");
        one.memory().give_back(50);
        assert!(same.memory().take(50));
        assert_eq!(shares.memory.taken(), 100);
        let held = ["a", "b"].map(|name| Arc::downgrade(&shares.share(&named(name))));
        drop((one, same, other));
        assert!(held.iter().all(|share| share.strong_count() == 0));
    }
}
