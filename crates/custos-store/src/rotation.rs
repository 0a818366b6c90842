//! Rotation of keys, from a new epoch to the end of the old ones.

use std::path::{Path, PathBuf};

use custos_core::{Clock, EpochId, StoreError};
use custos_erasure::OtherOwners;
use custos_ingest::{Lease, Ledger};
use custos_keys::{KeyError, KeyService, Kms, read_backup_header};
use serde::Serialize;

use crate::backup::BackupError;
use crate::store::create_private_folder;
use crate::{OpenError, Store};

/// Where rotations leave their backups, in the store's folder.
const BACKUPS: &str = "backups";

/// What a rotation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// Secrets are wrapped anew: so many of so many.
    Rewrapping(u64, u64),
    /// Waiting until nobody writes.
    Waiting,
    /// A backup is made.
    BackingUp,
    /// The backup is restored and looked at.
    Verifying,
    /// The old epochs are destroyed.
    Destroying,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The epoch that wraps everything now.
    pub epoch: EpochId,
    /// How many secrets were wrapped anew.
    pub rewrapped: u64,
    /// How many secrets there are, each of which was opened from the backup.
    pub secrets: u64,
    /// The epochs that were destroyed.
    pub destroyed: Vec<EpochId>,
    /// The backup that was verified.
    pub backup: PathBuf,
}

impl Store {
    /// Wraps every secret under a new epoch, makes a backup, restores it elsewhere and opens all
    /// of it, and then destroys the old epochs: older copies of the store are useless from then
    /// on. One that was cut off goes on where it stopped.
    ///
    /// Reading goes on meanwhile, and loading too until everything is wrapped anew.
    pub async fn rotate(
        &self,
        keys: &KeyService,
        kms: &dyn Kms,
        clock: &dyn Clock,
        progress: &(dyn Fn(RotationStep) + Send + Sync),
    ) -> Result<Rotated, BackupError> {
        let alone = self.lease_maintenance().await?;
        let epoch = keys.begin_rotation(clock).await?;
        let counted = |done, of| progress(RotationStep::Rewrapping(done, of));
        let mut rewrapped = keys.rewrap_all(&counted).await?;
        progress(RotationStep::Waiting);
        let mut quiet = self.hold_writers().await?;
        quiet.push(alone);
        // What was written under an old epoch until a moment ago.
        rewrapped += keys.rewrap_all(&counted).await?;
        let old = keys.old_epochs().await?;
        for epoch in &old {
            let secrets = keys.remaining(*epoch).await?;
            if secrets > 0 {
                return Err(KeyError::EpochInUse { epoch: *epoch, secrets }.into());
            }
        }
        progress(RotationStep::BackingUp);
        let backup = self.place_for_backup(epoch, clock)?;
        self.back_up(keys, clock.now(), &backup).await?;
        progress(RotationStep::Verifying);
        let verified = self.verify_backup(keys, kms, &backup).await?;
        let snapshots = self.snapshots();
        if let Some(snapshots) = &snapshots {
            snapshots.renew().await?;
        }
        for lease in &quiet {
            lease.check().await?;
        }
        progress(RotationStep::Destroying);
        for epoch in &old {
            keys.finish_rotation(*epoch, &verified, clock).await?;
        }
        self.remove_dead_backups(&old)?;
        if let Some(snapshots) = &snapshots {
            snapshots.delete_others().await?;
        }
        Ok(Rotated { epoch, rewrapped, secrets: verified.secrets(), destroyed: old, backup })
    }

    /// While this is held nobody stores new secrets, for who already has the maintenance lease.
    async fn hold_writers(&self) -> Result<Vec<Box<dyn Lease>>, StoreError> {
        let mut leases = Vec::new();
        for contract in self.contracts().await? {
            leases.push(self.lease_source(&contract.source).await?);
        }
        leases.push(self.lease_requests().await?);
        leases.push(self.hold_others().await?);
        Ok(leases)
    }

    fn place_for_backup(&self, epoch: EpochId, clock: &dyn Clock) -> Result<PathBuf, BackupError> {
        let folder = self.folder().join(BACKUPS);
        create_private_folder(&folder).map_err(OpenError::Folder)?;
        let moment = clock.now().to_string().replace(':', "-");
        Ok(folder.join(format!("{moment}-epoch-{epoch}.backup")))
    }

    /// Removes backups whose epoch is destroyed: they would only be mistaken for backups.
    fn remove_dead_backups(&self, destroyed: &[EpochId]) -> Result<(), BackupError> {
        let operation = "removing backups that nothing opens any more";
        let unusable = |source| BackupError::File { operation, source };
        for entry in std::fs::read_dir(self.folder().join(BACKUPS)).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            if epoch_of(&path).is_some_and(|epoch| destroyed.contains(&epoch)) {
                std::fs::remove_file(&path).map_err(unusable)?;
            }
        }
        Ok(())
    }
}

/// The epoch of a backup; `None` if the file is none.
fn epoch_of(path: &Path) -> Option<EpochId> {
    let mut file = std::fs::File::open(path).ok()?;
    Some(read_backup_header(&mut file).ok()?.epoch)
}

#[cfg(test)]
mod tests;
