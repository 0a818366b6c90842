//! Statements on their way, which go on when nobody waits for them any more.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fair_queue::Account;
use crate::{QueryError, compute};

/// The statements of an executor. Each is a task, so that what it ends with is recorded even if
/// its caller has left.
pub(crate) struct Running {
    /// Nothing once closed.
    tasks: Mutex<Option<JoinSet<()>>>,
    stop: watch::Sender<bool>,
}

impl Default for Running {
    fn default() -> Self {
        Self { tasks: Mutex::new(Some(JoinSet::new())), stop: watch::Sender::new(false) }
    }
}

/// Tells a statement that it is to end.
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Resolves when the statement is to end.
    pub(crate) async fn wait(mut self) {
        // An error says that nobody is left to stop it, which is a reason to end, too.
        let _stopped = self.0.wait_for(|stop| *stop).await;
    }
}

impl Running {
    /// Starts a statement, which computes for this account; [`QueryError::Stopped`] once closed.
    pub(crate) fn start<F>(
        &self,
        account: &Arc<Account>,
        statement: impl FnOnce(Stopping) -> F,
    ) -> Result<(), QueryError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = tasks.as_mut().ok_or(QueryError::Stopped)?;
        // Without this the set would grow with every statement.
        while tasks.try_join_next().is_some() {}
        let statement = statement(Stopping(self.stop.subscribe()));
        tasks.spawn_on(compute::in_turn(statement, Arc::clone(account)), compute::threads()?);
        Ok(())
    }

    /// Ends all statements and waits for them; no other starts.
    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut tasks) = tasks {
            while tasks.join_next().await.is_some() {}
        }
    }
}
