//! Answers on their way, and how their caller stops them.

use std::sync::{Arc, Mutex, PoisonError};

use custos_core::PrincipalId;
use tokio_util::sync::CancellationToken;

/// The answers that are being sent.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    ticket: Vec<u8>,
    principal: PrincipalId,
    stop: CancellationToken,
    number: Arc<()>,
}

/// One answer, known as long as this lives.
#[derive(Debug)]
pub(super) struct Departed {
    all: InFlight,
    number: Arc<()>,
    stop: CancellationToken,
}

impl InFlight {
    /// Notes an answer.
    pub(super) fn depart(&self, ticket: &[u8], principal: &PrincipalId) -> Departed {
        let (stop, number) = (CancellationToken::new(), Arc::new(()));
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(Entry {
            ticket: ticket.to_vec(),
            principal: principal.clone(),
            stop: stop.clone(),
            number: Arc::clone(&number),
        });
        Departed { all: self.clone(), number, stop }
    }

    /// Stops the answers to a principal's ticket. Whether there was one.
    pub(super) fn stop(&self, ticket: &[u8], principal: &PrincipalId) -> bool {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = false;
        for entry in entries.iter() {
            if entry.ticket == ticket && entry.principal == *principal {
                entry.stop.cancel();
                found = true;
            }
        }
        found
    }
}

impl Departed {
    /// Resolves when its caller does not want it any more.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Departed {
    fn drop(&mut self) {
        let mut entries = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| !Arc::ptr_eq(&entry.number, &self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_stopped_by_its_caller_only() {
        let all = InFlight::default();
        let [ana, bo] = ["ana", "bo"].map(|name| name.parse::<PrincipalId>().unwrap());
        let departed = all.depart(b"1", &ana);
        assert!(!all.stop(b"1", &bo) && !all.stop(b"2", &ana));
        assert!(!departed.stop.is_cancelled());
        assert!(all.stop(b"1", &ana));
        departed.stopped().await;
        drop(departed);
        assert!(!all.stop(b"1", &ana));
    }
}
