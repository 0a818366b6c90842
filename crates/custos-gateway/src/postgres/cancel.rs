//! Requests to stop what a connection does, which come by another connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pgwire::messages::ProtocolVersion;
use pgwire::messages::startup::SecretKey;
use tokio::sync::Notify;

/// Connections by the numbers that clients know them by.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    last: AtomicI32,
    connections: Mutex<HashMap<i32, (Bytes, Arc<Notify>)>>,
}

/// A connection that can be told to stop what it does; gone when dropped.
#[derive(Debug)]
pub(super) struct Cancel {
    pub(super) pid: i32,
    pub(super) key: SecretKey,
    asked: Arc<Notify>,
    all: Arc<Cancels>,
}

impl Cancels {
    /// Takes in a connection, under a number and a random key.
    pub(super) fn register(
        self: &Arc<Self>,
        version: ProtocolVersion,
    ) -> Result<Cancel, getrandom::Error> {
        let (key, bytes) = match version {
            ProtocolVersion::PROTOCOL3_0 => {
                let mut bytes = [0; 4];
                getrandom::fill(&mut bytes)?;
                (SecretKey::I32(i32::from_be_bytes(bytes)), bytes.to_vec())
            }
            _ => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes)?;
                (SecretKey::Bytes(bytes.to_vec().into()), bytes.to_vec())
            }
        };
        let pid = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
        let asked = Arc::new(Notify::new());
        let entry = (Bytes::from(bytes), Arc::clone(&asked));
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, entry);
        Ok(Cancel { pid, key, asked, all: Arc::clone(self) })
    }

    /// Stops what a connection does, if the key is its. Nobody is told whether it was.
    pub(super) fn cancel(&self, pid: i32, key: &SecretKey) {
        let bytes = match key {
            SecretKey::I32(key) => Bytes::copy_from_slice(&key.to_be_bytes()),
            SecretKey::Bytes(bytes) => bytes.clone(),
        };
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, asked)) = connections.get(&pid)
            && same(known, &bytes)
        {
            asked.notify_one();
        }
    }
}

impl Cancel {
    /// Forgets requests that came before now.
    pub(super) async fn forget(&self) {
        // A request that nobody waited for is kept for one who does.
        let pending = self.asked.notified();
        tokio::pin!(pending);
        let _was_asked = pending.as_mut().enable();
    }

    /// Resolves when somebody asks to stop.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.all.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
    }
}

/// Whether two keys are the same, in a time that does not tell how much of them is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}
