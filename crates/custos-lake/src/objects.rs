//! Sealed objects that are not tables: the journals of loads.

use std::sync::Arc;

use custos_core::{FileId, KeyClass};
use custos_keys::{KeyService, aead};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::LakeError;

/// Objects that are each sealed under a secret of their own, named by nothing but an id.
#[derive(Debug, Clone)]
pub struct SealedObjects {
    store: Arc<dyn ObjectStore>,
    keys: Arc<KeyService>,
}

impl SealedObjects {
    pub(crate) const fn new(store: Arc<dyn ObjectStore>, keys: Arc<KeyService>) -> Self {
        Self { store, keys }
    }

    /// Seals `content` under a new secret and stores it; durable when it returns.
    pub async fn put(&self, content: &[u8]) -> Result<FileId, LakeError> {
        let secrets = self.keys.create_file_secrets(&[KeyClass::Core]).await?;
        let id = secrets.file();
        let secret =
            secrets.get(KeyClass::Core).ok_or_else(|| Self::broken(id, "it has no secret"))?;
        let sealed = aead::seal(secret, id.as_bytes(), content)?;
        self.store
            .put(&Self::path(id), sealed.into())
            .await
            .map_err(LakeError::storage("writing a journal"))?;
        Ok(id)
    }

    /// Opens an object; `None` if it, or its secret, is gone.
    pub async fn get(&self, id: FileId) -> Result<Option<Vec<u8>>, LakeError> {
        let mut secrets = self.keys.file_secrets(&[id], &[KeyClass::Core]).await?;
        let Some(secrets) = secrets.remove(&id) else { return Ok(None) };
        let sealed = match self.store.get(&Self::path(id)).await {
            Ok(found) => found.bytes().await.map_err(LakeError::storage("reading a journal"))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(LakeError::storage("reading a journal")(error)),
        };
        let secret =
            secrets.get(KeyClass::Core).ok_or_else(|| Self::broken(id, "it has no secret"))?;
        let content = aead::open(secret, id.as_bytes(), &sealed)
            .map_err(|_| Self::broken(id, "its seal is broken"))?;
        Ok(Some(content.to_vec()))
    }

    /// Deletes an object's bytes; its secret is destroyed by who owns the reason.
    pub async fn delete(&self, id: FileId) -> Result<(), LakeError> {
        match self.store.delete(&Self::path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(LakeError::storage("deleting a journal")(error)),
        }
    }

    /// The ids of all objects.
    pub async fn list(&self) -> Result<Vec<FileId>, LakeError> {
        let objects: Vec<_> = self
            .store
            .list(None)
            .try_collect()
            .await
            .map_err(LakeError::storage("listing journals"))?;
        Ok(objects.iter().filter_map(|object| object.location.filename()?.parse().ok()).collect())
    }

    pub(crate) const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    fn path(id: FileId) -> Path {
        Path::from(id.to_string())
    }

    fn broken(file: FileId, what: &'static str) -> LakeError {
        LakeError::Broken { file, what }
    }
}
