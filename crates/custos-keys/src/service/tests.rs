use async_trait::async_trait;
use custos_core::{Classify, RequestId, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::{EpochRecord, LocalKeyRing, MemorySecretStore, Rewrapped};

const CLASSES: [KeyClass; 2] = [KeyClass::Core, KeyClass::Fact];
const NOON: Timestamp = Timestamp::from_micros(43_200_000_000);

#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Installation {
    folder: TempDir,
    store: Arc<MemorySecretStore>,
}

impl Installation {
    async fn new() -> (Self, KeyService) {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(MemorySecretStore::new());
        let ring = Arc::new(LocalKeyRing::create(folder.path(), None).unwrap());
        let installation = Self { folder, store };
        let service = KeyService::initialise(ring, installation.store()).await.unwrap();
        (installation, service)
    }

    fn store(&self) -> Arc<MemorySecretStore> {
        Arc::clone(&self.store)
    }

    fn ring(&self) -> Arc<LocalKeyRing> {
        Arc::new(LocalKeyRing::open(self.folder.path(), None).unwrap())
    }

    async fn open(&self) -> KeyService {
        KeyService::open(self.ring(), self.store()).await.unwrap()
    }
}

fn bytes(secrets: &FileSecrets, class: KeyClass) -> [u8; 32] {
    secrets.get(class).unwrap().expose(|bytes| *bytes)
}

#[tokio::test]
async fn secrets_are_the_same_after_opening_again() {
    let (installation, service) = Installation::new().await;
    let made = service.create_file_secrets(&CLASSES).await.unwrap();
    let again = installation.open().await;
    let found = again.file_secrets(&[made.file()], &CLASSES).await.unwrap();
    for class in CLASSES {
        assert_eq!(bytes(&found[&made.file()], class), bytes(&made, class));
    }
    assert_ne!(bytes(&made, KeyClass::Core), bytes(&made, KeyClass::Fact));
    assert_eq!(made.classes().collect::<Vec<_>>(), CLASSES);
}

#[tokio::test]
async fn only_classes_asked_for_are_given() {
    let (_installation, service) = Installation::new().await;
    let made = service.create_file_secrets(&CLASSES).await.unwrap();
    let found = service.file_secrets(&[made.file()], &[KeyClass::Fact]).await.unwrap();
    assert_eq!(found[&made.file()].classes().collect::<Vec<_>>(), [KeyClass::Fact]);
}

#[tokio::test]
async fn many_files_are_made_and_found_at_once() {
    let (installation, service) = Installation::new().await;
    let made = service.create_many(20, &CLASSES).await.unwrap();
    let files: Vec<FileId> = made.iter().map(FileSecrets::file).collect();
    assert_eq!(service.file_secrets(&files, &CLASSES).await.unwrap().len(), 20);
    assert_eq!(installation.store.counts().await.unwrap(), [(EpochId(1), 41)]);
}

#[tokio::test]
async fn an_installation_is_initialised_once() {
    let (installation, _service) = Installation::new().await;
    let again = KeyService::initialise(installation.ring(), installation.store()).await;
    assert!(matches!(again, Err(KeyError::AlreadyInitialised)));
}

#[tokio::test]
async fn a_crash_before_the_root_was_stored_can_be_repeated() {
    let folder = TempDir::new().unwrap();
    let ring = Arc::new(LocalKeyRing::create(folder.path(), None).unwrap());
    ring.create_epoch(EpochId(1)).await.unwrap();
    let store = Arc::new(MemorySecretStore::new());
    assert_eq!(KeyService::initialise(ring, store).await.unwrap().epoch(), EpochId(1));
}

#[tokio::test]
async fn a_lost_store_and_a_foreign_ring_are_told_apart() {
    let (installation, _service) = Installation::new().await;
    let (other, _other_service) = Installation::new().await;
    let empty = Arc::new(MemorySecretStore::new());
    let lost = KeyService::open(installation.ring(), empty).await.unwrap_err();
    assert!(matches!(lost, KeyError::RootMissing));
    let foreign = KeyService::open(other.ring(), installation.store()).await.unwrap_err();
    assert!(matches!(foreign, KeyError::WrongKeyRing));
    let no_epochs = TempDir::new().unwrap();
    let ring = Arc::new(LocalKeyRing::create(no_epochs.path(), None).unwrap());
    let foreign = KeyService::open(ring, installation.store()).await.unwrap_err();
    assert!(matches!(foreign, KeyError::WrongKeyRing));
    assert!(lost.hint().is_some() && foreign.hint().is_some());
}

#[tokio::test]
async fn destroyed_secrets_are_gone_and_proven_so() {
    let (installation, service) = Installation::new().await;
    let made = service.create_many(3, &CLASSES).await.unwrap();
    let unknown = FileId::from_random([9; 16]);
    let files = [made[0].file(), made[1].file(), unknown];
    let cause = DestructionCause::Erasure(RequestId::from_random([5; 16]));
    let proof = service.destroy(&files, cause, &Stopped(NOON)).await.unwrap();
    let mut expected = [made[0].file(), made[1].file()];
    expected.sort_unstable();
    assert_eq!(proof.files(), expected);
    assert_eq!((proof.cause(), proof.at()), (cause, NOON));

    let again = service.destroy(&files, cause, &Stopped(NOON.plus_seconds(9))).await.unwrap();
    assert_eq!(again.files(), expected);
    assert_eq!(installation.store.ledger(made[0].file()), Some((NOON, cause)));

    let files: Vec<FileId> = made.iter().map(FileSecrets::file).collect();
    let left = service.file_secrets(&files, &CLASSES).await.unwrap();
    assert_eq!(left.keys().copied().collect::<Vec<_>>(), [made[2].file()]);
}

#[tokio::test]
async fn a_proof_as_json_names_cause_request_files_and_time() {
    let (_installation, service) = Installation::new().await;
    let file = service.create_file_secrets(&CLASSES).await.unwrap().file();
    let request = RequestId::from_random([5; 16]);
    let cause = DestructionCause::Erasure(request);
    let proof = service.destroy(&[file], cause, &Stopped(NOON)).await.unwrap();
    assert_eq!(
        serde_json::to_value(&proof).unwrap(),
        serde_json::json!({
            "cause": "erasure", "request": request, "files": [file], "at": "1970-01-01T12:00:00Z",
        })
    );
}

#[tokio::test]
async fn the_root_is_not_destroyed_as_a_file_is() {
    let (_installation, service) = Installation::new().await;
    let result = service
        .destroy(&[KeyService::root_owner()], DestructionCause::Abandoned, &Stopped(NOON))
        .await;
    assert!(matches!(result, Err(KeyError::RootProtected)));
}

/// A store that says it destroyed secrets and keeps them.
#[derive(Debug)]
struct Keeping(Arc<MemorySecretStore>);

#[async_trait]
impl SecretStore for Keeping {
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        self.0.insert(secrets).await
    }
    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError> {
        self.0.fetch(owners).await
    }
    async fn destroy(
        &self,
        owners: &[FileId],
        _cause: &DestructionCause,
        _at: Timestamp,
    ) -> Result<Vec<FileId>, StoreError> {
        Ok(owners.to_vec())
    }
    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError> {
        self.0.destroyed(owners).await
    }
    async fn owners(&self) -> Result<Vec<FileId>, StoreError> {
        self.0.owners().await
    }
    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError> {
        self.0.counts().await
    }
    async fn epoch_page(
        &self,
        epoch: EpochId,
        after: Option<(FileId, KeyClass)>,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        self.0.epoch_page(epoch, after, limit).await
    }
    async fn rewrap(&self, secrets: &[Rewrapped]) -> Result<u64, StoreError> {
        self.0.rewrap(secrets).await
    }
    async fn note_epoch(&self, epoch: EpochId, created_at: Timestamp) -> Result<(), StoreError> {
        self.0.note_epoch(epoch, created_at).await
    }
    async fn close_epoch(&self, epoch: EpochId, at: Timestamp) -> Result<u64, StoreError> {
        self.0.close_epoch(epoch, at).await
    }
    async fn epoch_records(&self) -> Result<Vec<EpochRecord>, StoreError> {
        self.0.epoch_records().await
    }
}

#[tokio::test]
async fn a_store_that_keeps_secrets_gets_no_proof() {
    let (installation, _service) = Installation::new().await;
    let keeping = Arc::new(Keeping(installation.store()));
    let service = KeyService::open(installation.ring(), keeping).await.unwrap();
    let file = service.create_file_secrets(&CLASSES).await.unwrap().file();
    let result = service.destroy(&[file], DestructionCause::Replaced, &Stopped(NOON)).await;
    assert!(matches!(result, Err(KeyError::SecretSurvived { .. })));
}

#[tokio::test]
async fn rows_of_two_files_cannot_be_exchanged() {
    let (installation, service) = Installation::new().await;
    let made = service.create_file_secrets(&CLASSES).await.unwrap().file();
    let rows = installation.store.fetch(&[made]).await.unwrap();
    let thief = FileId::from_random([3; 16]);
    let moved: Vec<SealedSecret> =
        rows.into_iter().map(|row| SealedSecret { owner: thief, ..row }).collect();
    installation.store.insert(&moved).await.unwrap();
    let result = service.file_secrets(&[thief], &CLASSES).await;
    assert!(matches!(result, Err(KeyError::Unopened)));
}

#[tokio::test]
async fn a_record_opens_in_its_place_until_its_secret_is_destroyed() {
    let (_installation, service) = Installation::new().await;
    let record = service.seal_record(b"request 1", b"payload").await.unwrap();
    let json = serde_json::to_string(&record).unwrap();
    let record: SealedRecord = serde_json::from_str(&json).unwrap();
    assert_eq!(*service.open_record(&record, b"request 1").await.unwrap(), b"payload");
    let elsewhere = service.open_record(&record, b"request 2").await;
    assert!(matches!(elsewhere, Err(KeyError::Unopened)));

    let cause = DestructionCause::Replaced;
    service.destroy(&[record.owner], cause, &Stopped(NOON)).await.unwrap();
    let gone = service.open_record(&record, b"request 1").await;
    assert!(matches!(gone, Err(KeyError::SecretDestroyed { .. })));
    let unknown = SealedRecord { owner: FileId::from_random([4; 16]), bytes: vec![] };
    let missing = service.open_record(&unknown, b"").await;
    assert!(matches!(missing, Err(KeyError::SecretMissing { .. })));
}

#[tokio::test]
async fn derived_keys_are_those_of_the_installation() {
    let (installation, service) = Installation::new().await;
    let again = installation.open().await;
    let (_other, stranger) = Installation::new().await;
    let analytics: Purpose = "analytics".parse().unwrap();
    let marketing: Purpose = "marketing".parse().unwrap();

    let mac = |service: &KeyService, named| service.mac_key(named).mac(&[b"value"]);
    assert_eq!(mac(&service, NamedKey::Load), mac(&again, NamedKey::Load));
    assert_ne!(mac(&service, NamedKey::Load), mac(&stranger, NamedKey::Load));
    assert_ne!(mac(&service, NamedKey::Load), mac(&service, NamedKey::Content));

    let id = |service: &KeyService, purpose| service.id_permutation(purpose).forward(1);
    assert_eq!(id(&service, &analytics), id(&again, &analytics));
    assert_ne!(id(&service, &analytics), id(&service, &marketing));
    assert_ne!(id(&service, &analytics), id(&stranger, &analytics));

    assert_eq!(service.signing_key().public(), again.signing_key().public());
    assert_ne!(service.signing_key().public(), stranger.signing_key().public());
}

#[tokio::test]
async fn a_destroyed_epoch_takes_its_secrets_along() {
    let (installation, service) = Installation::new().await;
    let file = service.create_file_secrets(&CLASSES).await.unwrap().file();
    installation.ring().destroy_epoch(EpochId(1)).await.unwrap();
    let result = service.file_secrets(&[file], &CLASSES).await;
    assert!(matches!(result, Err(KeyError::EpochDestroyed { epoch: EpochId(1) })));
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let (_installation, service) = Installation::new().await;
    let made = service.create_file_secrets(&[KeyClass::Core]).await.unwrap();
    let shown = format!("{made:?}");
    assert!(shown.contains("Core: Secret(..)"), "{shown}");
}
