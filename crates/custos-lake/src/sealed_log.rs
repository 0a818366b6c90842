//! An append-only log of sealed entries, beside the tables.
//!
//! Its entries are sealed under a secret that follows from the root of all keys, unlike all other
//! objects: they are to be opened also by a control store that is older than they are.

use std::fmt;
use std::sync::Arc;

use custos_keys::{Secret, aead};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use crate::LakeError;

/// Entries at numbered places, each written once and never changed.
#[derive(Clone)]
pub struct SealedLog {
    store: Arc<dyn ObjectStore>,
    secret: Arc<Secret>,
}

impl fmt::Debug for SealedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedLog").field("store", &self.store).finish_non_exhaustive()
    }
}

impl SealedLog {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, secret: Secret) -> Self {
        Self { store, secret: Arc::new(secret) }
    }

    /// Writes the entry at a place; durable when it returns. `false` if somebody has taken the
    /// place.
    pub async fn put(&self, position: u64, content: &[u8]) -> Result<bool, LakeError> {
        let sealed = aead::seal(&self.secret, &aad(position), content)?;
        let put = self.store.put_opts(&path(position), sealed.into(), PutMode::Create.into()).await;
        match put {
            Ok(_) => Ok(true),
            // It may be our own, written by an attempt whose answer got lost.
            Err(object_store::Error::AlreadyExists { .. }) => {
                Ok(self.get(position).await? == content)
            }
            Err(error) => Err(LakeError::storage("writing the record of erasures")(error)),
        }
    }

    /// The entry at a place that has one.
    pub async fn get(&self, position: u64) -> Result<Vec<u8>, LakeError> {
        let failed = || LakeError::storage("reading the record of erasures");
        let object = self.store.get(&path(position)).await.map_err(failed())?;
        let sealed = object.bytes().await.map_err(failed())?;
        let opened = aead::open(&self.secret, &aad(position), &sealed);
        let opened = opened.map_err(|_| LakeError::RecordBroken { position })?;
        Ok(opened.to_vec())
    }

    /// The places after `position` that have entries, in order.
    pub async fn after(&self, position: u64) -> Result<Vec<u64>, LakeError> {
        let objects: Vec<_> = self
            .store
            .list_with_offset(None, &path(position))
            .try_collect()
            .await
            .map_err(LakeError::storage("listing the record of erasures"))?;
        let mut positions: Vec<u64> =
            objects.iter().filter_map(|object| position_of(&object.location)).collect();
        positions.retain(|found| *found > position);
        positions.sort_unstable();
        Ok(positions)
    }
}

/// Of a fixed length, so that names sort as numbers do.
fn path(position: u64) -> Path {
    Path::from(format!("{position:020}"))
}

fn position_of(path: &Path) -> Option<u64> {
    path.filename().filter(|name| name.len() == 20)?.parse().ok()
}

/// Binds an entry to its place, so that entries cannot be exchanged.
fn aad(position: u64) -> Vec<u8> {
    format!("custos/erasures/1/{position}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Storage;

    fn open(folder: &tempfile::TempDir) -> SealedLog {
        let store = Storage::folder(folder.path()).unwrap().store();
        SealedLog::new(store, Secret::random().unwrap())
    }

    #[tokio::test]
    async fn entries_stay_where_they_were_put_and_open_only_there() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder);
        assert!(log.after(0).await.unwrap().is_empty());
        for position in [1, 2, 10, 9] {
            assert!(log.put(position, &[position as u8]).await.unwrap());
            assert!(log.put(position, &[position as u8]).await.unwrap(), "the same again");
        }
        assert!(!log.put(2, b"other").await.unwrap());
        assert_eq!(log.after(0).await.unwrap(), [1, 2, 9, 10]);
        assert_eq!(log.after(2).await.unwrap(), [9, 10]);
        assert_eq!(log.get(2).await.unwrap(), [2]);
        let [from, to] = [9, 10].map(|position| folder.path().join(format!("{position:020}")));
        std::fs::copy(from, to).unwrap();
        let moved = log.get(10).await.unwrap_err();
        assert!(matches!(moved, LakeError::RecordBroken { position: 10 }), "{moved}");
        let other = open(&folder);
        assert!(matches!(other.get(1).await, Err(LakeError::RecordBroken { .. })));
    }
}
