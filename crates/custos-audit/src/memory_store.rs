//! An audit store in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use custos_core::StoreError;

use crate::{AuditStore, SignedHead};

/// Keeps leaves and heads in memory, for tests and tools: they are lost with the value.
#[derive(Debug, Default)]
pub struct MemoryAuditStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    leaves: Vec<Vec<u8>>,
    heads: Vec<SignedHead>,
}

impl MemoryAuditStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lends the leaves to be changed behind the log's back, as an intruder would.
    pub fn tamper<R>(&self, f: impl FnOnce(&mut Vec<Vec<u8>>) -> R) -> R {
        f(&mut self.state().leaves)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AuditStore for MemoryAuditStore {
    async fn append(&self, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        let mut state = self.state();
        let first = state.leaves.len() as u64;
        state.leaves.extend(leaves);
        Ok(first)
    }

    async fn read(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        let state = self.state();
        let leaves = state.leaves.iter().skip(skipped).take(limit as usize);
        Ok((from..).zip(leaves.cloned()).collect())
    }

    async fn len(&self) -> Result<u64, StoreError> {
        Ok(self.state().leaves.len() as u64)
    }

    async fn put_head(&self, head: &SignedHead) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.heads.contains(head) {
            state.heads.push(head.clone());
            state.heads.sort_by_key(|head| (head.size, head.at));
        }
        Ok(())
    }

    async fn heads(&self) -> Result<Vec<SignedHead>, StoreError> {
        Ok(self.state().heads.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn the_memory_store_keeps_what_an_audit_store_promises() {
        conformance::audit_store(&MemoryAuditStore::new()).await.unwrap();
    }
}
