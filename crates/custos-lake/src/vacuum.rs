//! Bytes that nothing needs any more.
//!
//! Files that were replaced, and what a crash left, lose their secrets at once; their bytes stay
//! until they are deleted: for queries that have them open, or since nobody lived to do it. What may
//! go is found first and deleted then, so that it can be shown instead.

use std::collections::BTreeSet;

use custos_core::{FileId, Timestamp};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::log::{file_at, written};
use crate::{LakeError, SealedObjects, Table};

/// Objects in one place that nothing needs any more.
#[derive(Debug, Clone, Default)]
pub struct Garbage {
    pub(crate) objects: Vec<ObjectMeta>,
}

impl Garbage {
    /// How many objects it is.
    pub fn objects(&self) -> u64 {
        self.objects.len() as u64
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    pub(crate) async fn delete(&self, store: &dyn ObjectStore) -> Result<(), LakeError> {
        for object in &self.objects {
            match store.delete(&object.location).await {
                // A listing that lags behind shows what is gone.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    return Err(LakeError::storage("deleting what nothing needs")(error));
                }
            }
        }
        Ok(())
    }
}

impl Table {
    /// Data files that are not `needed`, not live, and were neither written nor replaced after
    /// `before`.
    ///
    /// Only for who holds off all writers: `needed` are files that a batch or request in the
    /// making may still name. The times are those of the object store's clock.
    pub async fn unneeded(
        &self,
        needed: &BTreeSet<FileId>,
        before: Timestamp,
    ) -> Result<Garbage, LakeError> {
        let listed = self.store().list_with_delimiter(None).await;
        let mut objects = listed.map_err(LakeError::storage("listing data files"))?.objects;
        // Listed before the log is read: what becomes live in between was not listed.
        let mut log = self.log().lock().await;
        let mut kept: BTreeSet<FileId> =
            log.confirmed().await?.files.iter().map(|entry| entry.file).collect();
        let entries = log.objects().await?;
        kept.extend(log.replaced_since(&entries, before).await?);
        objects.retain(|object| {
            let file = object.location.filename().and_then(file_at);
            let is_kept = |file| kept.contains(&file) || needed.contains(&file);
            written(object) <= before && file.is_some_and(|file| !is_kept(file))
        });
        Ok(Garbage { objects })
    }

    /// Objects of the log that were written before a time and that no version since needs.
    pub async fn expired_log(&self, before: Timestamp) -> Result<Garbage, LakeError> {
        let mut log = self.log().lock().await;
        log.confirmed().await?;
        let objects = log.objects().await?;
        Ok(Garbage { objects: log.expired(objects, before).await? })
    }

    /// Deletes what was found to be unneeded. Repeating it is no error.
    pub async fn delete_garbage(&self, garbage: &Garbage) -> Result<(), LakeError> {
        garbage.delete(&**self.store()).await
    }

    /// The live files as of now, where being wrong would be a loss: no listing that lags behind
    /// can hide an entry of the log.
    pub async fn live_files(&self) -> Result<BTreeSet<FileId>, LakeError> {
        let now = self.log().lock().await.confirmed().await?;
        Ok(now.files.iter().map(|entry| entry.file).collect())
    }
}

impl SealedObjects {
    /// Objects that are not `needed` and were not written after `before`.
    pub async fn unneeded(
        &self,
        needed: &BTreeSet<FileId>,
        before: Timestamp,
    ) -> Result<Garbage, LakeError> {
        let listed = self.store().list(None).try_collect::<Vec<_>>().await;
        let mut objects = listed.map_err(LakeError::storage("listing journals"))?;
        objects.retain(|object| {
            let id = object.location.filename().and_then(|name| name.parse().ok());
            written(object) <= before && id.is_some_and(|id: FileId| !needed.contains(&id))
        });
        Ok(Garbage { objects })
    }

    /// Deletes what was found to be unneeded. Repeating it is no error.
    pub async fn delete_garbage(&self, garbage: &Garbage) -> Result<(), LakeError> {
        garbage.delete(&**self.store()).await
    }
}
