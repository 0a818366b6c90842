use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use custos_core::{FileId, KeyClass, StoreError, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::{
    Destruction, DestructionCause, EpochRecord, FileSecrets, Kms, LocalKeyRing, MemorySecretStore,
};

const CLASSES: [KeyClass; 2] = [KeyClass::Core, KeyClass::Fact];
const FIRST: EpochId = EpochId(1);
const SECOND: EpochId = EpochId(2);
const NOON: Timestamp = Timestamp::from_micros(43_200_000_000);

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOON
    }
}

/// Lets so many calls pass and fails one.
#[derive(Debug)]
struct Fault(AtomicI64);

impl Fault {
    const NEVER: i64 = i64::MAX;

    fn pass(&self) -> Result<(), StoreError> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            0 => Err(StoreError::Unavailable { operation: "testing", source: "a fault".into() }),
            _ => Ok(()),
        }
    }
}

/// A KMS and a store that fail at one of all calls to them.
#[derive(Debug)]
struct Faulty<T>(T, Arc<Fault>);

#[async_trait]
impl Kms for Faulty<LocalKeyRing> {
    async fn create_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.1.pass()?;
        self.0.create_epoch(epoch).await?;
        Ok(self.1.pass()?)
    }
    async fn wrap(&self, epoch: EpochId, secret: &Secret, at: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.1.pass()?;
        self.0.wrap(epoch, secret, at).await
    }
    async fn unwrap(&self, epoch: EpochId, wrapped: &[u8], at: &[u8]) -> Result<Secret, KeyError> {
        self.1.pass()?;
        self.0.unwrap(epoch, wrapped, at).await
    }
    async fn destroy_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.1.pass()?;
        self.0.destroy_epoch(epoch).await?;
        Ok(self.1.pass()?)
    }
    async fn epochs(&self) -> Result<Vec<EpochId>, KeyError> {
        self.1.pass()?;
        self.0.epochs().await
    }
    fn destruction(&self) -> Destruction {
        self.0.destruction()
    }
}

#[async_trait]
impl SecretStore for Faulty<Arc<MemorySecretStore>> {
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        self.1.pass()?;
        self.0.insert(secrets).await
    }
    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError> {
        self.1.pass()?;
        self.0.fetch(owners).await
    }
    async fn destroy(
        &self,
        owners: &[FileId],
        cause: &DestructionCause,
        at: Timestamp,
    ) -> Result<Vec<FileId>, StoreError> {
        self.0.destroy(owners, cause, at).await
    }
    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError> {
        self.0.destroyed(owners).await
    }
    async fn owners(&self) -> Result<Vec<FileId>, StoreError> {
        self.0.owners().await
    }
    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError> {
        self.1.pass()?;
        self.0.counts().await
    }
    async fn epoch_page(
        &self,
        epoch: EpochId,
        after: Option<(FileId, KeyClass)>,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        self.1.pass()?;
        self.0.epoch_page(epoch, after, limit.min(2)).await
    }
    async fn rewrap(&self, secrets: &[Rewrapped]) -> Result<u64, StoreError> {
        self.1.pass()?;
        self.0.rewrap(secrets).await?;
        self.1.pass()?;
        Ok(secrets.len() as u64)
    }
    async fn note_epoch(&self, epoch: EpochId, created_at: Timestamp) -> Result<(), StoreError> {
        self.1.pass()?;
        self.0.note_epoch(epoch, created_at).await
    }
    async fn close_epoch(&self, epoch: EpochId, at: Timestamp) -> Result<u64, StoreError> {
        self.1.pass()?;
        let live = self.0.close_epoch(epoch, at).await?;
        self.1.pass()?;
        Ok(live)
    }
    async fn epoch_records(&self) -> Result<Vec<EpochRecord>, StoreError> {
        self.0.epoch_records().await
    }
}

struct Installation {
    folder: TempDir,
    store: Arc<MemorySecretStore>,
    files: Vec<FileSecrets>,
}

impl Installation {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(MemorySecretStore::new());
        let ring = Arc::new(LocalKeyRing::create(folder.path(), None).unwrap());
        let service = KeyService::initialise(ring, Arc::clone(&store) as _).await.unwrap();
        let files = service.create_many(5, &CLASSES).await.unwrap();
        Self { folder, store, files }
    }

    fn ring(&self) -> LocalKeyRing {
        LocalKeyRing::open(self.folder.path(), None).unwrap()
    }

    async fn open(&self) -> KeyService {
        KeyService::open(Arc::new(self.ring()), Arc::clone(&self.store) as _).await.unwrap()
    }

    /// The store as a backup gives it back.
    async fn restored(&self) -> MemorySecretStore {
        let copy = MemorySecretStore::new();
        let rows = self.store.fetch(&self.store.owners().await.unwrap()).await.unwrap();
        copy.insert(&rows).await.unwrap();
        copy
    }

    async fn opens_everything(&self) {
        let ids: Vec<FileId> = self.files.iter().map(FileSecrets::file).collect();
        let found = self.open().await.file_secrets(&ids, &CLASSES).await.unwrap();
        for file in &self.files {
            for (class, secret) in file.iter() {
                let same = found[&file.file()].get(class).unwrap();
                assert!(secret.expose(|bytes| same.expose(|others| bytes == others)));
            }
        }
    }
}

async fn rotate(installation: &Installation, service: &KeyService) -> Result<EpochId, KeyError> {
    let epoch = service.begin_rotation(&Noon).await?;
    service.rewrap_all(&|_, _| ()).await?;
    let verified = service.verify_backup(&installation.restored().await).await?;
    for old in service.old_epochs().await? {
        assert_eq!(service.remaining(old).await?, 0);
        service.finish_rotation(old, &verified, &Noon).await?;
    }
    Ok(epoch)
}

#[tokio::test]
async fn a_rotation_moves_every_secret_and_destroys_the_old_epoch() {
    let installation = Installation::new().await;
    let service = installation.open().await;
    let old_copy = installation.restored().await;
    assert_eq!(rotate(&installation, &service).await.unwrap(), SECOND);
    assert_eq!(installation.store.counts().await.unwrap(), [(SECOND, 11)]);
    assert_eq!(installation.ring().epochs().await.unwrap(), [SECOND]);
    installation.opens_everything().await;
    let records = installation.store.epoch_records().await.unwrap();
    let record = |epoch, destroyed_at| EpochRecord { epoch, created_at: NOON, destroyed_at };
    assert_eq!(records, [record(FIRST, Some(NOON)), record(SECOND, None)]);
    // What was copied before opens nothing.
    let dead = KeyService::open(Arc::new(installation.ring()), Arc::new(old_copy)).await;
    assert!(matches!(dead, Err(KeyError::EpochDestroyed { epoch: FIRST })), "{dead:?}");
    assert_eq!(rotate(&installation, &service).await.unwrap(), EpochId(3));
    installation.opens_everything().await;
}

#[tokio::test]
async fn a_rotation_cut_off_at_any_call_can_be_repeated() {
    let mut calls = 0;
    loop {
        let installation = Installation::new().await;
        let fault = Arc::new(Fault(AtomicI64::new(Fault::NEVER)));
        let kms = Arc::new(Faulty(installation.ring(), Arc::clone(&fault)));
        let store = Arc::new(Faulty(Arc::clone(&installation.store), Arc::clone(&fault)));
        let service = KeyService::open(kms, store).await.unwrap();
        fault.0.store(calls, Ordering::SeqCst);
        let cut_off = rotate(&installation, &service).await;
        installation.opens_everything().await;
        if cut_off.is_ok() {
            break;
        }
        let again = installation.open().await;
        // Cut off after the last step, it was finished, and this is another one.
        let newest = rotate(&installation, &again).await.unwrap();
        assert!(newest == SECOND || newest == EpochId(3), "{calls}: {newest}");
        let counts: BTreeMap<EpochId, u64> =
            installation.store.counts().await.unwrap().into_iter().collect();
        assert_eq!(counts, BTreeMap::from([(newest, 11)]), "cut off at call {calls}");
        assert_eq!(installation.ring().epochs().await.unwrap(), [newest]);
        installation.opens_everything().await;
        calls += 1;
    }
    assert!(calls > 30, "{calls}");
}

#[tokio::test]
async fn an_epoch_in_use_is_not_destroyed() {
    let installation = Installation::new().await;
    let (service, late) = (installation.open().await, installation.open().await);
    service.begin_rotation(&Noon).await.unwrap();
    service.rewrap_all(&|_, _| ()).await.unwrap();
    let verified = service.verify_backup(&installation.restored().await).await.unwrap();
    assert_eq!((verified.epoch(), verified.secrets()), (SECOND, 11));
    // A process that was opened before still writes under the old epoch.
    late.create_file_secrets(&CLASSES).await.unwrap();
    assert_eq!(service.remaining(FIRST).await.unwrap(), 2);
    let refused = service.finish_rotation(FIRST, &verified, &Noon).await;
    let expected = matches!(refused, Err(KeyError::EpochInUse { epoch: FIRST, secrets: 2 }));
    assert!(expected, "{refused:?}");
    let newest = service.finish_rotation(SECOND, &verified, &Noon).await;
    assert!(matches!(newest, Err(KeyError::BackupNotNewer { epoch: SECOND })), "{newest:?}");
    assert_eq!(installation.ring().epochs().await.unwrap(), [FIRST, SECOND]);
    service.rewrap_all(&|_, _| ()).await.unwrap();
    service.finish_rotation(FIRST, &verified, &Noon).await.unwrap();
}

#[tokio::test]
async fn processes_opened_before_a_rotation_go_on_after_it() {
    let installation = Installation::new().await;
    let (service, before) = (installation.open().await, installation.open().await);
    rotate(&installation, &service).await.unwrap();
    let file = before.create_file_secrets(&CLASSES).await.unwrap().file();
    assert_eq!(before.epoch(), SECOND);
    assert_eq!(before.file_secrets(&[file], &CLASSES).await.unwrap().len(), 1);
    assert_eq!(installation.store.counts().await.unwrap(), [(SECOND, 13)]);
}

#[tokio::test]
async fn a_backup_that_lacks_something_is_no_evidence() {
    let installation = Installation::new().await;
    let (_other, service) = (Installation::new().await, installation.open().await);
    let before = installation.restored().await;
    service.begin_rotation(&Noon).await.unwrap();
    let unmoved = service.verify_backup(&before).await;
    assert!(matches!(unmoved, Err(KeyError::BackupDiffers { .. })), "{unmoved:?}");
    service.rewrap_all(&|_, _| ()).await.unwrap();
    let empty = service.verify_backup(&MemorySecretStore::new()).await;
    assert!(matches!(empty, Err(KeyError::BackupDiffers { .. })), "{empty:?}");
    let partial = installation.restored().await;
    let file = installation.files[0].file();
    partial.destroy(&[file], &DestructionCause::Abandoned, NOON).await.unwrap();
    let partial = service.verify_backup(&partial).await;
    assert!(matches!(partial, Err(KeyError::BackupDiffers { .. })), "{partial:?}");
    let damaged = MemorySecretStore::new();
    let owners = installation.store.owners().await.unwrap();
    let mut rows = installation.store.fetch(&owners).await.unwrap();
    rows[3].sealed[20] ^= 1;
    damaged.insert(&rows).await.unwrap();
    let damaged = service.verify_backup(&damaged).await;
    assert!(matches!(damaged, Err(KeyError::Unopened)), "{damaged:?}");
}
