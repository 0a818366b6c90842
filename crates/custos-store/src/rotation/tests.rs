use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use custos_core::{FileId, KeyClass};
use custos_keys::{Destruction, LocalKeyRing, Secret, SecretStore};
use custos_testkit::FakeClock;
use tempfile::TempDir;

use super::*;
use crate::restore;
use crate::testing::{Home, at};

const CLASSES: [KeyClass; 2] = [KeyClass::Core, KeyClass::Fact];

/// A KMS whose client dies at one call: before it happens, or after and before the answer.
#[derive(Debug)]
struct Dying {
    ring: LocalKeyRing,
    /// Calls and answers that still pass; not even the next one once it is negative.
    left: AtomicI64,
}

impl Dying {
    fn pass(&self) -> Result<(), KeyError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(StoreError::Unavailable { operation: "testing", source: "a fault".into() }.into())
    }
}

#[async_trait]
impl Kms for Dying {
    async fn create_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.pass()?;
        self.ring.create_epoch(epoch).await?;
        self.pass()
    }
    async fn wrap(&self, epoch: EpochId, secret: &Secret, at: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pass()?;
        self.ring.wrap(epoch, secret, at).await
    }
    async fn unwrap(&self, epoch: EpochId, sealed: &[u8], at: &[u8]) -> Result<Secret, KeyError> {
        self.pass()?;
        self.ring.unwrap(epoch, sealed, at).await
    }
    async fn destroy_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.pass()?;
        self.ring.destroy_epoch(epoch).await?;
        self.pass()
    }
    async fn epochs(&self) -> Result<Vec<EpochId>, KeyError> {
        self.pass()?;
        self.ring.epochs().await
    }
    fn destruction(&self) -> Destruction {
        self.ring.destruction()
    }
}

struct Installation {
    home: Home,
    folder: TempDir,
    clock: FakeClock,
    files: Vec<FileId>,
}

impl Installation {
    async fn new() -> Self {
        let (home, folder) = (Home::folder(), tempfile::tempdir().unwrap());
        let ring = Arc::new(LocalKeyRing::create(&folder.path().join("keys"), None).unwrap());
        let store = Arc::new(home.create().await);
        let keys = KeyService::initialise(ring, store).await.unwrap();
        let made = keys.create_many(3, &CLASSES).await.unwrap();
        let files = made.iter().map(|file| file.file()).collect();
        Self { home, folder, clock: FakeClock::at(at(0)), files }
    }

    fn ring(&self) -> LocalKeyRing {
        LocalKeyRing::open(&self.folder.path().join("keys"), None).unwrap()
    }

    /// Rotates as a process that dies after so many calls of its KMS.
    async fn rotate(&self, calls: i64) -> Result<Rotated, BackupError> {
        let kms = Arc::new(Dying { ring: self.ring(), left: AtomicI64::new(i64::MAX) });
        let store = self.home.open().await;
        let keys = KeyService::open(Arc::clone(&kms) as _, Arc::new(store.clone())).await?;
        kms.left.store(calls, Ordering::SeqCst);
        self.clock.advance(Duration::from_secs(1));
        store.rotate(&keys, &*kms, &self.clock, &|_| ()).await
    }

    /// What must hold at every moment: no secret is gone, and no epoch that one is wrapped under.
    async fn holds(&self) {
        let store = self.home.open().await;
        store.integrity().await.unwrap();
        let live = self.ring().epochs().await.unwrap();
        for (epoch, secrets) in store.counts().await.unwrap() {
            assert!(live.contains(&epoch), "{secrets} secrets of epoch {epoch} are lost");
        }
        let keys = KeyService::open(Arc::new(self.ring()), Arc::new(store)).await.unwrap();
        let found = keys.file_secrets(&self.files, &CLASSES).await.unwrap();
        assert_eq!(found.len(), self.files.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_dies_at_any_call_of_the_kms_goes_on_where_it_stopped() {
    let mut calls = 0;
    loop {
        let installation = Installation::new().await;
        let died = installation.rotate(calls).await;
        installation.holds().await;
        if died.is_ok() {
            break;
        }
        let rotated = installation.rotate(i64::MAX).await.unwrap();
        assert_eq!(rotated.secrets, 7, "died at call {calls}");
        installation.holds().await;
        // Everything is under one epoch, and only that one is left.
        let counts = installation.home.open().await.counts().await.unwrap();
        assert_eq!(counts, [(rotated.epoch, 7)], "died at call {calls}");
        assert_eq!(installation.ring().epochs().await.unwrap(), [rotated.epoch]);
        // Whatever backups are there, open.
        let backups = installation.home.control().join(BACKUPS);
        for (number, backup) in std::fs::read_dir(backups).unwrap().enumerate() {
            let path = backup.unwrap().path();
            let into = installation.folder.path().join(format!("restored-{number}/custos.db"));
            restore(&installation.ring(), &path, &into).await.unwrap();
        }
        calls += 1;
    }
    assert!(calls > 30, "{calls}");
}
