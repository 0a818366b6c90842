//! Rotation: everything under a new epoch, then the old one destroyed.
//!
//! The steps are [`KeyService::begin_rotation`], [`KeyService::rewrap_all`], a backup that is
//! restored elsewhere and shown to [`KeyService::verify_backup`], and
//! [`KeyService::finish_rotation`]. Each may be repeated, and after a crash all of them together.

use custos_core::{Clock, EpochId};

use crate::backup::BackupKey;
use crate::service::{newest_epoch, unwrap_rows, wrap_context};
use crate::{KeyError, KeyService, Rewrapped, SealedSecret, Secret, SecretStore};

/// Secrets that are read, rewrapped and stored at once.
const PAGE: u32 = 500;

/// Walks over an epoch to which others still add, before it is left to the caller.
const PASSES_MAX: u32 = 10;

/// A backup under this epoch was restored, and everything in it opens.
///
/// Only [`KeyService::verify_backup`] makes one.
///
/// ```compile_fail
/// let forged = custos_keys::BackupVerified { epoch: custos_core::EpochId(2), secrets: 1 };
/// ```
#[derive(Debug)]
pub struct BackupVerified {
    epoch: EpochId,
    secrets: u64,
}

impl BackupVerified {
    /// The epoch of every secret in it.
    pub fn epoch(&self) -> EpochId {
        self.epoch
    }

    /// How many secrets it holds, each of which was unwrapped.
    pub fn secrets(&self) -> u64 {
        self.secrets
    }
}

impl KeyService {
    /// Remembers since when there are the epochs of the KMS, for those that nothing is known of.
    pub async fn note_epochs(&self, clock: &dyn Clock) -> Result<(), KeyError> {
        for epoch in self.kms.epochs().await? {
            self.store.note_epoch(epoch, clock.now()).await?;
        }
        Ok(())
    }

    /// Makes a new epoch, under which this service wraps from now on, and returns it.
    ///
    /// If older epochs are still there, a rotation was cut off: it goes on with the newest.
    pub async fn begin_rotation(&self, clock: &dyn Clock) -> Result<EpochId, KeyError> {
        let newest = newest_epoch(&*self.kms).await?;
        let epoch = match self.older_than(newest).await?.is_empty() {
            true => self.make_epoch_after(newest).await?,
            false => newest,
        };
        self.wrap_under(epoch);
        self.note_epochs(clock).await?;
        Ok(epoch)
    }

    /// The epochs that a rotation is to empty and destroy, oldest first.
    pub async fn old_epochs(&self) -> Result<Vec<EpochId>, KeyError> {
        self.older_than(self.epoch()).await
    }

    /// How many live secrets an epoch wraps.
    pub async fn remaining(&self, epoch: EpochId) -> Result<u64, KeyError> {
        let counts = self.store.counts().await?;
        Ok(counts.iter().find(|(other, _)| *other == epoch).map_or(0, |(_, count)| *count))
    }

    /// Wraps every secret of older epochs under the newest, and returns how many it did.
    ///
    /// `progress` is told how many are done, and of how many. Secrets that others add to an old
    /// epoch meanwhile may be left: see [`KeyService::remaining`].
    pub async fn rewrap_all(
        &self,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<u64, KeyError> {
        let old = self.old_epochs().await?;
        let mut total = 0;
        for epoch in &old {
            total += self.remaining(*epoch).await?;
        }
        let mut done = 0;
        for epoch in old {
            for _ in 0..PASSES_MAX {
                if self.remaining(epoch).await? == 0 {
                    break;
                }
                self.rewrap_epoch(epoch, &mut |count| {
                    done += count;
                    progress(done, total.max(done));
                })
                .await?;
            }
        }
        Ok(done)
    }

    /// A secret for a backup, wrapped under the newest epoch, which another process may have made.
    pub async fn backup_key(&self) -> Result<BackupKey, KeyError> {
        self.wrap_under(newest_epoch(&*self.kms).await?);
        BackupKey::new(&*self.kms, self.epoch()).await
    }

    /// Looks at a backup that was restored: it must hold as many secrets as the store does now,
    /// all under the newest epoch, and every one of them must open.
    pub async fn verify_backup(
        &self,
        restored: &dyn SecretStore,
    ) -> Result<BackupVerified, KeyError> {
        let differs = |what| Err(KeyError::BackupDiffers { what });
        let counts = restored.counts().await?;
        if counts != self.store.counts().await? {
            return differs("it has other secrets; something was stored meanwhile");
        }
        let [(epoch, secrets)] = counts[..] else {
            return differs("its secrets are of several epochs, or of none");
        };
        if epoch != self.epoch() {
            return differs("its secrets are not of the newest epoch");
        }
        let mut opened = 0;
        let mut root = false;
        let mut after = None;
        loop {
            let page = restored.epoch_page(epoch, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.owner, last.class));
            for (row, secret) in page.iter().zip(unwrap_rows(&*self.kms, epoch, &page).await?) {
                opened += 1;
                root |= row.owner == Self::root_owner() && self.is_root(&secret);
            }
        }
        match (root, opened == secrets) {
            (true, true) => Ok(BackupVerified { epoch, secrets }),
            (false, _) => differs("it has not the root secret of this installation"),
            (true, false) => differs("not all of its secrets are found"),
        }
    }

    /// Destroys an epoch that wraps nothing any more, given that a backup under a newer one works.
    ///
    /// Every older copy of the secret store is useless then.
    pub async fn finish_rotation(
        &self,
        old: EpochId,
        backup: &BackupVerified,
        clock: &dyn Clock,
    ) -> Result<(), KeyError> {
        if old >= backup.epoch {
            return Err(KeyError::BackupNotNewer { epoch: old });
        }
        // Closed first, so that nobody stores under it what they wrapped a moment ago.
        let secrets = self.store.close_epoch(old, clock.now()).await?;
        if secrets > 0 {
            return Err(KeyError::EpochInUse { epoch: old, secrets });
        }
        self.kms.destroy_epoch(old).await?;
        if self.kms.epochs().await?.contains(&old) {
            return Err(KeyError::KmsAnswer { operation: "destroying an epoch" });
        }
        Ok(())
    }

    /// Epochs older than `newest` that live in the KMS or are named by secrets.
    async fn older_than(&self, newest: EpochId) -> Result<Vec<EpochId>, KeyError> {
        let mut old = self.kms.epochs().await?;
        old.extend(self.store.counts().await?.into_iter().map(|(epoch, _)| epoch));
        old.retain(|epoch| *epoch < newest);
        old.sort_unstable();
        old.dedup();
        Ok(old)
    }

    async fn make_epoch_after(&self, newest: EpochId) -> Result<EpochId, KeyError> {
        let mut next = newest;
        loop {
            next = EpochId(next.0.checked_add(1).ok_or(KeyError::NoEpoch)?);
            match self.kms.create_epoch(next).await {
                Ok(()) | Err(KeyError::EpochExists { .. }) => return Ok(next),
                Err(KeyError::EpochDestroyed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Walks over an epoch once.
    async fn rewrap_epoch(
        &self,
        old: EpochId,
        done: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), KeyError> {
        let mut after = None;
        loop {
            let page = self.store.epoch_page(old, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.owner, last.class));
            let moved = self.rewrapped(old, page).await?;
            done(self.store.rewrap(&moved).await?);
        }
    }

    async fn rewrapped(
        &self,
        old: EpochId,
        page: Vec<SealedSecret>,
    ) -> Result<Vec<Rewrapped>, KeyError> {
        let epoch = self.epoch();
        let secrets = unwrap_rows(&*self.kms, old, &page).await?;
        let asked: Vec<(&Secret, Vec<u8>)> = secrets
            .iter()
            .zip(&page)
            .map(|(secret, row)| (secret, wrap_context(row.owner, row.class)))
            .collect();
        let wrapped = self.kms.wrap_many(epoch, &asked).await?;
        let rewrap = |(old, sealed): (SealedSecret, Vec<u8>)| {
            let new = SealedSecret { owner: old.owner, class: old.class, epoch, sealed };
            Rewrapped { old, new }
        };
        Ok(page.into_iter().zip(wrapped).map(rewrap).collect())
    }
}

#[cfg(test)]
mod tests;
