//! Entries that wait are written together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use custos_core::StoreError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::AuditStore;

/// The operation in messages.
const APPENDING: &str = "appending to the audit log";

/// Appends for many at once: what comes while the store writes is written in the next step, all
/// of it together, so that many callers pay for one step and none waits for more than two.
#[derive(Debug)]
pub(crate) struct Appender {
    store: Arc<dyn AuditStore>,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by who writes.
    turn: tokio::sync::Mutex<()>,
    writing: Mutex<JoinSet<()>>,
}

/// What one caller appends.
#[derive(Debug)]
struct Waiting {
    leaves: Vec<Vec<u8>>,
    told: oneshot::Sender<Result<u64, StoreError>>,
}

impl Appender {
    pub(crate) fn new(store: Arc<dyn AuditStore>) -> Self {
        let (waiting, writing) = (Mutex::default(), Mutex::default());
        Self { store, waiting, turn: tokio::sync::Mutex::default(), writing }
    }

    /// Appends leaves one after the other, all or none, durable when it returns; returns the index
    /// of the first.
    pub(crate) async fn append(self: &Arc<Self>, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        let (told, answer) = oneshot::channel();
        lock(&self.waiting).push(Waiting { leaves, told });
        self.start_writing();
        answer.await.unwrap_or_else(|_| Err(failed("the writer is gone")))
    }

    /// Writes in a task: a caller who leaves must not take the entries of others along.
    fn start_writing(self: &Arc<Self>) {
        let mut writing = lock(&self.writing);
        // Without this the set would grow with every entry.
        while writing.try_join_next().is_some() {}
        let this = Arc::clone(self);
        writing.spawn(async move { this.write().await });
    }

    /// Writes all that waits, which is nothing if somebody else has done so.
    async fn write(&self) {
        let _turn = self.turn.lock().await;
        let mut group = std::mem::take(&mut *lock(&self.waiting));
        if group.is_empty() {
            return;
        }
        let counts: Vec<u64> = group.iter().map(|one| one.leaves.len() as u64).collect();
        let leaves = group.iter_mut().flat_map(|one| std::mem::take(&mut one.leaves)).collect();
        match self.store.append(leaves).await {
            Ok(mut index) => {
                for (one, count) in group.into_iter().zip(counts) {
                    // Who has left does not need to know.
                    let _unheard = one.told.send(Ok(index));
                    index += count;
                }
            }
            Err(error) => {
                let mut group = group.into_iter();
                let first = group.next();
                for one in group {
                    let _unheard = one.told.send(Err(failed("entries written with it failed")));
                }
                if let Some(first) = first {
                    let _unheard = first.told.send(Err(error));
                }
            }
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(why: &'static str) -> StoreError {
    StoreError::Unavailable { operation: APPENDING, source: why.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::{MemoryAuditStore, SignedHead};

    /// A store that takes its time, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Slow {
        inner: MemoryAuditStore,
        steps: AtomicUsize,
        fails: bool,
    }

    #[async_trait]
    impl AuditStore for Slow {
        async fn append(&self, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError> {
            self.steps.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            if self.fails {
                return Err(failed("a test"));
            }
            self.inner.append(leaves).await
        }

        async fn read(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
            self.inner.read(from, limit).await
        }

        async fn len(&self) -> Result<u64, StoreError> {
            self.inner.len().await
        }

        async fn put_head(&self, head: &SignedHead) -> Result<(), StoreError> {
            self.inner.put_head(head).await
        }

        async fn heads(&self) -> Result<Vec<SignedHead>, StoreError> {
            self.inner.heads().await
        }
    }

    async fn append_many(appender: &Arc<Appender>) -> Vec<Result<u64, StoreError>> {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100_u8 {
            let appender = Arc::clone(appender);
            let leaves = vec![vec![number]; usize::from(number % 3)];
            tasks.spawn(async move { appender.append(leaves).await });
        }
        tasks.join_all().await
    }

    #[tokio::test]
    async fn those_who_come_together_are_written_together_and_each_learns_its_index() {
        let store = Arc::new(Slow::default());
        let appender = Arc::new(Appender::new(Arc::<Slow>::clone(&store)));
        let indices: Vec<u64> =
            append_many(&appender).await.into_iter().map(Result::unwrap).collect();
        assert!(store.steps.load(Ordering::Relaxed) < 10);
        let leaves = store.read(0, 1000).await.unwrap();
        assert_eq!(leaves.len(), 99);
        for index in indices.into_iter().filter(|index| *index < 99) {
            let leaf = &leaves[index as usize].1;
            // Two leaves of one caller are side by side.
            let count = usize::from(leaf[0] % 3);
            assert!(leaves[index as usize..].iter().take(count).all(|(_, other)| other == leaf));
        }
    }

    #[tokio::test]
    async fn a_failure_is_everybodys() {
        let store = Slow { fails: true, ..Slow::default() };
        let appender = Arc::new(Appender::new(Arc::new(store)));
        assert!(append_many(&appender).await.iter().all(Result::is_err));
    }

    #[tokio::test]
    async fn who_leaves_takes_nothing_along() {
        let store = Arc::new(Slow::default());
        let appender = Arc::new(Appender::new(Arc::<Slow>::clone(&store)));
        let leaving = appender.append(vec![vec![1]]);
        let staying = appender.append(vec![vec![2]]);
        let soon = std::time::Duration::from_millis(1);
        let (left, stayed) = tokio::join!(tokio::time::timeout(soon, leaving), staying);
        assert!(left.is_err());
        stayed.unwrap();
        assert_eq!(store.len().await.unwrap(), 2);
    }
}
