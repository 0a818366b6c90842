//! What the rest of Custos asks about keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use custos_core::{Clock, EpochId, FileId, KeyClass, Purpose, StoreError};
use zeroize::Zeroizing;

use crate::{
    DestructionCause, FileSecrets, IdPermutation, KeyError, Kms, MacKey, NamedKey, SealedRecord,
    SealedSecret, Secret, SecretStore, ShredProof, SigningKey, aead, random_bytes,
};

const FIRST_EPOCH: EpochId = EpochId(1);

/// Makes, opens and destroys secrets, and derives the installation's own keys.
///
/// New secrets are wrapped under the epoch that was the newest when the service was opened, or
/// since it began a rotation or noticed one. It keeps no secret but the root, so what is destroyed
/// in the store cannot be opened by it again.
#[derive(Debug)]
pub struct KeyService {
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) store: Arc<dyn SecretStore>,
    root: Secret,
    epoch: AtomicU32,
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
        let root = Secret::random()?;
        let (owner, class) = (Self::root_owner(), KeyClass::Core);
        let sealed = kms.wrap(epoch, &root, &wrap_context(owner, class)).await?;
        match store.insert(&[SealedSecret { owner, class, epoch, sealed }]).await {
            Ok(()) => Ok(Self { kms, store, root, epoch: AtomicU32::new(epoch.0) }),
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
        Ok(Self { kms, store, root, epoch: AtomicU32::new(epoch.0) })
    }

    /// The epoch that new secrets are wrapped under.
    pub fn epoch(&self) -> EpochId {
        EpochId(self.epoch.load(Ordering::Relaxed))
    }

    /// Wraps new secrets under `epoch` from now on.
    pub(crate) fn wrap_under(&self, epoch: EpochId) {
        self.epoch.fetch_max(epoch.0, Ordering::Relaxed);
    }

    /// Whether a secret is the root.
    pub(crate) fn is_root(&self, secret: &Secret) -> bool {
        self.root.expose(|root| secret.expose(|bytes| root == bytes))
    }

    /// Makes a new file id and a secret for each class; they are durable when it returns.
    pub async fn create_file_secrets(&self, classes: &[KeyClass]) -> Result<FileSecrets, KeyError> {
        let file = new_secrets(classes)?;
        self.insert(std::slice::from_ref(&file)).await?;
        Ok(file)
    }

    /// Makes a new file id and secrets that nobody but the caller ever has: what they seal is gone
    /// with this process.
    pub fn passing_secrets(&self, classes: &[KeyClass]) -> Result<FileSecrets, KeyError> {
        new_secrets(classes)
    }

    /// Does [`KeyService::create_file_secrets`] for `count` files with one call to the store.
    pub async fn create_many(
        &self,
        count: usize,
        classes: &[KeyClass],
    ) -> Result<Vec<FileSecrets>, KeyError> {
        let files: Vec<FileSecrets> =
            (0..count).map(|_| new_secrets(classes)).collect::<Result<_, _>>()?;
        self.insert(&files).await?;
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
        match self.unwrapped(files, classes).await {
            // What was read a moment ago may have been rewrapped since, and its epoch destroyed.
            Err(KeyError::EpochDestroyed { .. }) => self.unwrapped(files, classes).await,
            other => other,
        }
    }

    /// Every file that has live secrets, this service's own among them.
    pub async fn owners(&self) -> Result<Vec<FileId>, KeyError> {
        Ok(self.store.owners().await?)
    }

    /// Those of the files whose secrets are destroyed.
    pub async fn destroyed(&self, files: &[FileId]) -> Result<BTreeSet<FileId>, KeyError> {
        let destroyed = self.store.destroyed(files).await?;
        Ok(destroyed.into_iter().map(|(file, _)| file).collect())
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

    /// The secret that seals the lake's record of what was destroyed.
    ///
    /// It follows from the root, so that any copy of the secret store that opens at all opens the
    /// record too, also what was written long after the copy was made.
    pub fn ledger_secret(&self) -> Secret {
        self.root.derive("custos/ledger/1")
    }

    /// The secret that seals what proves the secrets of principals who log in by SCRAM.
    pub fn login_secret(&self) -> Secret {
        self.root.derive("custos/login/1")
    }

    /// The key that signs audit heads and certificates.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::new(&self.root.derive("custos/signing/1"))
    }

    async fn unwrapped(
        &self,
        files: &[FileId],
        classes: &[KeyClass],
    ) -> Result<HashMap<FileId, FileSecrets>, KeyError> {
        let mut found = HashMap::with_capacity(files.len());
        let mut wanted: BTreeMap<EpochId, Vec<SealedSecret>> = BTreeMap::new();
        for row in self.store.fetch(files).await? {
            found.entry(row.owner).or_insert_with(|| FileSecrets::new(row.owner));
            if classes.contains(&row.class) {
                wanted.entry(row.epoch).or_default().push(row);
            }
        }
        for (epoch, rows) in wanted {
            for (row, secret) in rows.iter().zip(unwrap_rows(&*self.kms, epoch, &rows).await?) {
                let file = found.entry(row.owner).or_insert_with(|| FileSecrets::new(row.owner));
                file.put(row.class, secret);
            }
        }
        Ok(found)
    }

    /// Wraps new secrets and stores them.
    ///
    /// Another process may have rotated keys since this service looked: then the epoch is closed
    /// or gone, and the newest one takes its place.
    async fn insert(&self, files: &[FileSecrets]) -> Result<(), KeyError> {
        let epoch = self.epoch();
        let stored = self.insert_under(epoch, files).await;
        let stale = matches!(
            stored,
            Err(KeyError::EpochDestroyed { .. } | KeyError::Store(StoreError::Conflict { .. }))
        );
        if !stale {
            return stored;
        }
        self.wrap_under(newest_epoch(&*self.kms).await?);
        if self.epoch() == epoch { stored } else { self.insert_under(self.epoch(), files).await }
    }

    async fn insert_under(&self, epoch: EpochId, files: &[FileSecrets]) -> Result<(), KeyError> {
        let mut places = Vec::new();
        let mut asked = Vec::new();
        for file in files {
            for (class, secret) in file.iter() {
                places.push((file.file(), class));
                asked.push((secret, wrap_context(file.file(), class)));
            }
        }
        let wrapped = self.kms.wrap_many(epoch, &asked).await?;
        let rows: Vec<SealedSecret> = places
            .into_iter()
            .zip(wrapped)
            .map(|((owner, class), sealed)| SealedSecret { owner, class, epoch, sealed })
            .collect();
        Ok(self.store.insert(&rows).await?)
    }
}

fn new_secrets(classes: &[KeyClass]) -> Result<FileSecrets, KeyError> {
    let mut file = FileSecrets::new(FileId::from_random(random_bytes()?));
    for class in classes.iter().copied().collect::<BTreeSet<KeyClass>>() {
        file.put(class, Secret::random()?);
    }
    Ok(file)
}

/// Opens rows of one epoch, in order.
pub(crate) async fn unwrap_rows(
    kms: &dyn Kms,
    epoch: EpochId,
    rows: &[SealedSecret],
) -> Result<Vec<Secret>, KeyError> {
    let wrapped: Vec<(&[u8], Vec<u8>)> =
        rows.iter().map(|row| (&row.sealed[..], wrap_context(row.owner, row.class))).collect();
    kms.unwrap_many(epoch, &wrapped).await
}

async fn unwrap(kms: &dyn Kms, row: &SealedSecret) -> Result<Secret, KeyError> {
    kms.unwrap(row.epoch, &row.sealed, &wrap_context(row.owner, row.class)).await
}

pub(crate) async fn newest_epoch(kms: &dyn Kms) -> Result<EpochId, KeyError> {
    kms.epochs().await?.into_iter().max().ok_or(KeyError::NoEpoch)
}

/// Binds a wrapped secret to its row, so that rows cannot be exchanged.
pub(crate) fn wrap_context(owner: FileId, class: KeyClass) -> Vec<u8> {
    [b"custos/secret/1/", &owner.as_bytes()[..], class.as_str().as_bytes()].concat()
}

fn record_aad(owner: FileId, aad: &[u8]) -> Vec<u8> {
    [b"custos/record/1/", &owner.as_bytes()[..], aad].concat()
}

#[cfg(test)]
mod tests;
