//! Writing the record of erasures, and doing again what it says.

use std::collections::{BTreeSet, HashMap};

use custos_core::FileId;
use custos_keys::DestructionCause;
use serde::Serialize;

use super::ErasureService;
use crate::dossier::Dossier;
use crate::ledger::{DestroyedOwner, ErasedRequest, LedgerEntry};
use crate::{ErasureError, StoredRequest};

/// Owners in one entry.
const OWNERS_MAX: u32 = 10_000;

/// What was done again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Entries of the record that the control store did not know.
    pub entries: u64,
    /// Files, journals and records whose secrets were in the control store and are destroyed now.
    pub destroyed: u64,
    /// Requests whose people are hidden and barred again.
    pub requests: u64,
}

impl ErasureService {
    /// Writes into the lake's record what was destroyed since it was last written to, and then how
    /// far a request came. Nothing is reported before this returns.
    pub(super) async fn write_ledger(
        &self,
        request: &StoredRequest,
        dossier: &Dossier,
    ) -> Result<(), ErasureError> {
        self.write_entries(Some((request, dossier))).await
    }

    /// Writes into the lake's record what was destroyed since it was last written to, for jobs
    /// other than erasures that promise that something is gone.
    pub async fn record_destroyed(&self) -> Result<(), ErasureError> {
        self.write_entries(None).await
    }

    async fn write_entries(
        &self,
        request: Option<(&StoredRequest, &Dossier)>,
    ) -> Result<(), ErasureError> {
        loop {
            let destroyed = self.erased.unrecorded(OWNERS_MAX).await?;
            let last = destroyed.len() < OWNERS_MAX as usize;
            let request = request
                .filter(|_| last)
                .map(|(request, dossier)| ErasedRequest::new(request, dossier));
            let owners: Vec<FileId> = destroyed.iter().map(|destroyed| destroyed.owner).collect();
            let entry = LedgerEntry::new(self.clock.now(), destroyed, request);
            let entry = serde_json::to_vec(&entry).map_err(|_| ErasureError::Internal)?;
            // Taken first: what is there above the place that a store knows is of another store.
            let position = self.erased.take_position().await?;
            if !self.lake.erasures().put(position, &entry).await? {
                return Err(ErasureError::ForeignRecord);
            }
            self.erased.mark_recorded(&owners).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// How many entries the record has that the control store does not know.
    ///
    /// Anything but 0 says that the control store is an older copy, in which erased people are
    /// not erased: see [`ErasureService::replay`].
    pub async fn unknown_entries(&self) -> Result<u64, ErasureError> {
        let known = self.erased.ledger_position().await?;
        let mut above = self.lake.erasures().after(known).await?;
        if !above.is_empty() {
            // A place is taken before it is written to: what came since the first look is known.
            let known = self.erased.ledger_position().await?;
            above.retain(|position| *position > known);
        }
        Ok(above.len() as u64)
    }

    /// Does again what the record says and the control store does not know: destroys secrets,
    /// hides people and bars their return. May be repeated.
    ///
    /// `progress` is told how many entries are done, and of how many.
    pub async fn replay(
        &self,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Replayed, ErasureError> {
        let _alone = self.ledger.lease_maintenance().await?;
        let log = self.lake.erasures();
        let positions = log.after(self.erased.ledger_position().await?).await?;
        let mut replayed = Replayed::default();
        let mut destroyed = Vec::new();
        for position in &positions {
            let entry = log.get(*position).await?;
            let entry = LedgerEntry::from_json(&entry).ok_or(ErasureError::UnknownRecord)?;
            if let Some(request) = &entry.request {
                self.erase_again(request).await?;
                replayed.requests += 1;
            }
            destroyed.extend(entry.destroyed);
            replayed.entries += 1;
            progress(replayed.entries, positions.len() as u64);
        }
        // Last, when requests of the record have taken the place of older ones: a request that
        // the record does not know keeps the secret it is sealed under.
        replayed.destroyed = self.destroy_again(&destroyed).await?;
        if let Some(last) = positions.last() {
            self.erased.catch_up_to(*last).await?;
        }
        Ok(replayed)
    }

    /// Puts a request of the record into the control store, sealed under a new secret.
    async fn erase_again(&self, erased: &ErasedRequest) -> Result<(), ErasureError> {
        let _sealing = self.ledger.lease_requests().await?;
        let before = self.requests.load(erased.id).await?;
        let request = StoredRequest {
            id: erased.id,
            state: erased.state,
            revision: erased.revision + 1,
            received_at: erased.received_at,
            sealed: self.seal(erased.id, &erased.dossier).await?,
            certificate: erased.certificate.clone(),
        };
        self.erased.put_request(&request, &erased.dossier.subjects).await?;
        if let Some(before) = before {
            let replaced = [before.sealed.owner];
            self.keys.destroy(&replaced, DestructionCause::Replaced, &*self.clock).await?;
        }
        self.requests.suppress(erased.id, &erased.dossier.barred).await?;
        Ok(self.requests.forget_consents(&erased.dossier.subjects).await?)
    }

    /// Destroys secrets of the record that are here, except those that requests and other records are
    /// sealed under.
    async fn destroy_again(&self, destroyed: &[DestroyedOwner]) -> Result<u64, ErasureError> {
        let mut sealed: BTreeSet<FileId> = self.others.records().await?.into_iter().collect();
        for request in self.requests.list().await? {
            sealed.insert(request.sealed.owner);
        }
        let mut by_cause: HashMap<DestructionCause, Vec<FileId>> = HashMap::new();
        for one in destroyed.iter().filter(|one| !sealed.contains(&one.owner)) {
            by_cause.entry(one.cause).or_default().push(one.owner);
        }
        let mut count = 0;
        for (cause, owners) in by_cause {
            let proof = self.keys.destroy(&owners, cause, &*self.clock).await?;
            self.erased.mark_recorded(proof.files()).await?;
            self.others.note_destroyed(proof.files(), self.clock.now()).await?;
            count += proof.files().len() as u64;
        }
        Ok(count)
    }
}
