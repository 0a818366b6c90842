//! A secret store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use custos_core::{EpochId, FileId, KeyClass, StoreError, Timestamp};

use crate::{DestructionCause, EpochRecord, Rewrapped, SealedSecret, SecretStore};

/// Keeps sealed secrets in memory, for tests and tools: they are lost with the value.
#[derive(Debug, Default)]
pub struct MemorySecretStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<FileId, BTreeMap<KeyClass, SealedSecret>>,
    ledger: BTreeMap<FileId, (Timestamp, DestructionCause)>,
    epochs: BTreeMap<EpochId, EpochRecord>,
}

impl MemorySecretStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the ledger says of an owner: when and why its secrets were destroyed.
    pub fn ledger(&self, owner: FileId) -> Option<(Timestamp, DestructionCause)> {
        self.state().ledger.get(&owner).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has(&self, secret: &SealedSecret) -> bool {
        self.ledger.contains_key(&secret.owner)
            || self.live.get(&secret.owner).is_some_and(|of| of.contains_key(&secret.class))
    }

    fn is_closed(&self, epoch: EpochId) -> bool {
        self.epochs.get(&epoch).is_some_and(|record| record.destroyed_at.is_some())
    }

    fn of_epoch(&self, epoch: EpochId) -> impl Iterator<Item = &SealedSecret> {
        self.live.values().flat_map(BTreeMap::values).filter(move |secret| secret.epoch == epoch)
    }
}

#[async_trait]
impl SecretStore for MemorySecretStore {
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut new = BTreeSet::new();
        let fresh = |secret: &SealedSecret| {
            !state.has(secret)
                && !state.is_closed(secret.epoch)
                && new.insert((secret.owner, secret.class))
        };
        if !secrets.iter().all(fresh) {
            return Err(StoreError::Conflict { operation: "inserting secrets" });
        }
        for secret in secrets {
            state.live.entry(secret.owner).or_default().insert(secret.class, secret.clone());
        }
        Ok(())
    }

    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError> {
        let state = self.state();
        let owners: BTreeSet<&FileId> = owners.iter().collect();
        Ok(owners
            .into_iter()
            .filter_map(|owner| state.live.get(owner))
            .flat_map(|secrets| secrets.values().cloned())
            .collect())
    }

    async fn destroy(
        &self,
        owners: &[FileId],
        cause: &DestructionCause,
        at: Timestamp,
    ) -> Result<Vec<FileId>, StoreError> {
        let mut state = self.state();
        let mut destroyed = BTreeSet::new();
        for &owner in owners {
            if state.live.remove(&owner).is_some() {
                state.ledger.insert(owner, (at, *cause));
            }
            if state.ledger.contains_key(&owner) {
                destroyed.insert(owner);
            }
        }
        Ok(destroyed.into_iter().collect())
    }

    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError> {
        let state = self.state();
        let owners: BTreeSet<&FileId> = owners.iter().collect();
        Ok(owners
            .into_iter()
            .filter_map(|owner| state.ledger.get(owner).map(|(at, _)| (*owner, *at)))
            .collect())
    }

    async fn owners(&self) -> Result<Vec<FileId>, StoreError> {
        Ok(self.state().live.keys().copied().collect())
    }

    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for secret in self.state().live.values().flat_map(BTreeMap::values) {
            *counts.entry(secret.epoch).or_insert(0) += 1;
        }
        Ok(counts.into_iter().collect())
    }

    async fn epoch_page(
        &self,
        epoch: EpochId,
        after: Option<(FileId, KeyClass)>,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        let state = self.state();
        let next =
            |secret: &&SealedSecret| after.is_none_or(|after| (secret.owner, secret.class) > after);
        Ok(state.of_epoch(epoch).filter(next).take(limit as usize).cloned().collect())
    }

    async fn rewrap(&self, secrets: &[Rewrapped]) -> Result<u64, StoreError> {
        let mut state = self.state();
        if secrets.iter().any(|secret| state.is_closed(secret.new.epoch)) {
            return Err(StoreError::Conflict { operation: "rewrapping secrets" });
        }
        let mut replaced = 0;
        for Rewrapped { old, new } in secrets {
            let known = state.live.get_mut(&old.owner).and_then(|of| of.get_mut(&old.class));
            if let Some(known) = known.filter(|known| *known == old) {
                known.clone_from(new);
                replaced += 1;
            }
        }
        Ok(replaced)
    }

    async fn note_epoch(&self, epoch: EpochId, created_at: Timestamp) -> Result<(), StoreError> {
        let record = EpochRecord { epoch, created_at, destroyed_at: None };
        self.state().epochs.entry(epoch).or_insert(record);
        Ok(())
    }

    async fn close_epoch(&self, epoch: EpochId, at: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let live = state.of_epoch(epoch).count() as u64;
        if live == 0 {
            let record = EpochRecord { epoch, created_at: at, destroyed_at: None };
            state.epochs.entry(epoch).or_insert(record).destroyed_at.get_or_insert(at);
        }
        Ok(live)
    }

    async fn epoch_records(&self) -> Result<Vec<EpochRecord>, StoreError> {
        Ok(self.state().epochs.values().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn the_memory_store_keeps_what_a_secret_store_promises() {
        conformance::secret_store(&MemorySecretStore::new()).await.unwrap();
    }
}
