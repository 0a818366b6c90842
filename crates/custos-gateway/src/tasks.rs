//! Work that goes on when its caller has left.

use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::error::RequestError;

/// Work that is not to stop in the middle because a client hung up.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Does `work` to its end and returns its answer, if the caller still waits for it.
    ///
    /// [`RequestError::WorkBrokeOff`] if it panicked.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RequestError> {
        let (answer, answered) = oneshot::channel();
        let work = async move {
            if answer.send(work.await).is_err() {
                tracing::info!("the caller left before the work was done");
            }
        };
        self.start(work.in_current_span());
        answered.await.map_err(|_| RequestError::WorkBrokeOff)
    }

    /// Waits for all work.
    pub(crate) async fn idle(&self) {
        let mut running = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while running.join_next().await.is_some() {}
    }

    /// Does `work` to its end, for nobody who waits.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without this the set would grow with every request.
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }
}

#[cfg(test)]
mod tests;
