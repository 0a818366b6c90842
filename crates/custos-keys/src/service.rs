//! What the rest of Custos asks about keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use custos_core::{Clock, EpochId, FileId, KeyClass, Purpose, StoreError};
use zeroize::Zeroizing;

use crate::{
    DestructionCause, FileSecrets, IdPermutation, KeyError, Kms, MacKey, NamedKey, SealedRecord,
    SealedSecret, Secret, SecretStore, ShredProof, SigningKey, aead, random_bytes,
};

const FIRST_EPOCH: EpochId = EpochId(1);

/// Makes, opens and destroys secrets, and derives the installation's own keys.
///
/// New secrets are wrapped under the epoch that was the newest when the service was opened. It
/// keeps no secret but the root, so what is destroyed in the store cannot be opened by it again.
#[derive(Debug)]
pub struct KeyService {
    kms: Arc<dyn Kms>,
    store: Arc<dyn SecretStore>,
    root: Secret,
    epoch: EpochId,
}

impl KeyService {
    /// The owner of the root secret: the id made of zero bytes, which no file gets.
    pub fn root_owner() -> FileId {
        FileId::from_random([0; 16])
    }

    /// Makes the root secret of a new installation, and epoch 1 unless the KMS has an epoch.
    ///
    /// Refuses if there is a root secret, so that one is never replaced. May be repeated after a
    /// crash.
    pub async fn initialise(
        kms: Arc<dyn Kms>,
        store: Arc<dyn SecretStore>,
    ) -> Result<Self, KeyError> {
        if !store.fetch(&[Self::root_owner()]).await?.is_empty() {
            return Err(KeyError::AlreadyInitialised);
        }
        let epoch = match newest_epoch(&*kms).await {
            Err(KeyError::NoEpoch) => {
                kms.create_epoch(FIRST_EPOCH).await?;
                FIRST_EPOCH
            }
            other => other?,
        };
        let service = Self { kms, store, root: Secret::random()?, epoch };
        let sealed = service.wrap(Self::root_owner(), KeyClass::Core, &service.root).await?;
        match service.store.insert(&[sealed]).await {
            Ok(()) => Ok(service),
            Err(StoreError::Conflict { .. }) => Err(KeyError::AlreadyInitialised),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the keys of an installation.
    ///
    /// A store without root secret is [`KeyError::RootMissing`]; a root secret that the KMS does
    /// not open is [`KeyError::WrongKeyRing`].
    pub async fn open(kms: Arc<dyn Kms>, store: Arc<dyn SecretStore>) -> Result<Self, KeyError> {
        let rows = store.fetch(&[Self::root_owner()]).await?;
        let row =
            rows.iter().find(|row| row.class == KeyClass::Core).ok_or(KeyError::RootMissing)?;
        let root = unwrap(&*kms, row).await.map_err(|error| match error {
            KeyError::Unopened | KeyError::EpochUnknown { .. } => KeyError::WrongKeyRing,
            other => other,
        })?;
        let epoch = newest_epoch(&*kms).await?;
        Ok(Self { kms, store, root, epoch })
    }

    /// The epoch that new secrets are wrapped under.
    pub fn epoch(&self) -> EpochId {
        self.epoch
    }

    /// Makes a new file id and a secret for each class; they are durable when it returns.
    pub async fn create_file_secrets(&self, classes: &[KeyClass]) -> Result<FileSecrets, KeyError> {
        let (file, sealed) = self.new_secrets(classes).await?;
        self.store.insert(&sealed).await?;
        Ok(file)
    }

    /// Does [`KeyService::create_file_secrets`] for `count` files with one call to the store.
    pub async fn create_many(
        &self,
        count: usize,
        classes: &[KeyClass],
    ) -> Result<Vec<FileSecrets>, KeyError> {
        let mut files = Vec::with_capacity(count);
        let mut rows = Vec::with_capacity(count * classes.len());
        for _ in 0..count {
            let (file, sealed) = self.new_secrets(classes).await?;
            files.push(file);
            rows.extend(sealed);
        }
        self.store.insert(&rows).await?;
        Ok(files)
    }

    /// The secrets of `files` of the given classes, with one call to the store.
    ///
    /// Only what is asked for is unwrapped. A file without live secrets is absent from the
    /// answer; a class that a file has no secret of is absent from its secrets.
    pub async fn file_secrets(
        &self,
        files: &[FileId],
        classes: &[KeyClass],
    ) -> Result<HashMap<FileId, FileSecrets>, KeyError> {
        let mut found = HashMap::with_capacity(files.len());
        for row in self.store.fetch(files).await? {
            let file = found.entry(row.owner).or_insert_with(|| FileSecrets::new(row.owner));
            if classes.contains(&row.class) {
                file.put(row.class, unwrap(&*self.kms, &row).await?);
            }
        }
        Ok(found)
    }

    /// Every file that has live secrets, this service's own among them.
    pub async fn owners(&self) -> Result<Vec<FileId>, KeyError> {
        Ok(self.store.owners().await?)
    }

    /// Destroys all secrets of `files` and reads back that they are gone.
    ///
    /// May be repeated; files that never had secrets are not in the proof.
    pub async fn destroy(
        &self,
        files: &[FileId],
        cause: DestructionCause,
        clock: &dyn Clock,
    ) -> Result<ShredProof, KeyError> {
        if files.contains(&Self::root_owner()) {
            return Err(KeyError::RootProtected);
        }
        let gone = self.store.destroy(files, &cause, clock.now()).await?;
        if let Some(row) = self.store.fetch(files).await?.first() {
            return Err(KeyError::SecretSurvived { owner: row.owner });
        }
        Ok(ShredProof::new(cause, gone, clock.now()))
    }

    /// Seals a record under a new secret, bound to `aad`.
    pub async fn seal_record(&self, aad: &[u8], payload: &[u8]) -> Result<SealedRecord, KeyError> {
        let secrets = self.create_file_secrets(&[KeyClass::Core]).await?;
        let owner = secrets.file();
        let secret = secrets.get(KeyClass::Core).ok_or(KeyError::SecretMissing { owner })?;
        let bytes = aead::seal(secret, &record_aad(owner, aad), payload)?;
        Ok(SealedRecord { owner, bytes })
    }

    /// Opens a record that was sealed with the same `aad`.
    ///
    /// A record whose secret was destroyed is [`KeyError::SecretDestroyed`].
    pub async fn open_record(
        &self,
        record: &SealedRecord,
        aad: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let owner = record.owner;
        let secrets = self.file_secrets(&[owner], &[KeyClass::Core]).await?;
        let Some(secret) = secrets.get(&owner).and_then(|file| file.get(KeyClass::Core)) else {
            return Err(match self.store.destroyed(&[owner]).await?.is_empty() {
                true => KeyError::SecretMissing { owner },
                false => KeyError::SecretDestroyed { owner },
            });
        };
        aead::open(secret, &record_aad(owner, aad), &record.bytes)
    }

    /// The key for one use of keyed hashes. Making it is slow, using it fast: keep it.
    pub fn mac_key(&self, named: NamedKey) -> MacKey {
        MacKey::new(&self.root.derive(&named.into_label()))
    }

    /// The permutation that hides internal ids from callers with this purpose.
    pub fn id_permutation(&self, purpose: &Purpose) -> IdPermutation {
        IdPermutation::new(&self.root.derive(&format!("custos/permutation/1/{purpose}")))
    }

    /// The key that signs audit heads and certificates.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::new(&self.root.derive("custos/signing/1"))
    }

    async fn new_secrets(
        &self,
        classes: &[KeyClass],
    ) -> Result<(FileSecrets, Vec<SealedSecret>), KeyError> {
        let mut file = FileSecrets::new(FileId::from_random(random_bytes()?));
        let classes: BTreeSet<KeyClass> = classes.iter().copied().collect();
        let mut sealed = Vec::with_capacity(classes.len());
        for class in classes {
            let secret = Secret::random()?;
            sealed.push(self.wrap(file.file(), class, &secret).await?);
            file.put(class, secret);
        }
        Ok((file, sealed))
    }

    async fn wrap(
        &self,
        owner: FileId,
        class: KeyClass,
        secret: &Secret,
    ) -> Result<SealedSecret, KeyError> {
        let sealed = self.kms.wrap(self.epoch, secret, &wrap_context(owner, class)).await?;
        Ok(SealedSecret { owner, class, epoch: self.epoch, sealed })
    }
}

async fn unwrap(kms: &dyn Kms, row: &SealedSecret) -> Result<Secret, KeyError> {
    kms.unwrap(row.epoch, &row.sealed, &wrap_context(row.owner, row.class)).await
}

async fn newest_epoch(kms: &dyn Kms) -> Result<EpochId, KeyError> {
    kms.epochs().await?.into_iter().max().ok_or(KeyError::NoEpoch)
}

/// Binds a wrapped secret to its row, so that rows cannot be exchanged.
fn wrap_context(owner: FileId, class: KeyClass) -> Vec<u8> {
    [b"custos/secret/1/", &owner.as_bytes()[..], class.as_str().as_bytes()].concat()
}

fn record_aad(owner: FileId, aad: &[u8]) -> Vec<u8> {
    [b"custos/record/1/", &owner.as_bytes()[..], aad].concat()
}

#[cfg(test)]
mod tests;
