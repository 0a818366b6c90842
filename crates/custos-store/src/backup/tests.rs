use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use custos_core::{Clock, EpochId, FileId, KeyClass};
use custos_ingest::Ledger;
use custos_keys::{DestructionCause, LocalKeyRing, SecretStore};
use tempfile::TempDir;

use super::*;
use crate::RotationStep;
use crate::testing::{Home, at, on_both};

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at(43_200_000_000)
    }
}

struct Installation {
    home: Home,
    store: Store,
    ring: Arc<LocalKeyRing>,
    keys: KeyService,
    files: Vec<FileId>,
    folder: TempDir,
}

impl Installation {
    async fn new(home: Home) -> Self {
        let store = home.create().await;
        let folder = tempfile::tempdir().unwrap();
        let ring = Arc::new(LocalKeyRing::create(&folder.path().join("keys"), None).unwrap());
        let secrets = Arc::new(store.clone());
        let keys = KeyService::initialise(Arc::clone(&ring) as _, secrets).await.unwrap();
        let made = keys.create_many(40, &[KeyClass::Core, KeyClass::Fact]).await.unwrap();
        let files = made.iter().map(|file| file.file()).collect();
        Self { home, store, ring, keys, files, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn back_up(&self, name: &str) -> Result<BackupHeader, BackupError> {
        self.store.back_up(&self.keys, at(5), &self.path(name)).await
    }

    async fn restore(&self, backup: &str, into: &str) -> Result<BackupHeader, BackupError> {
        restore(&*self.ring, &self.path(backup), &self.path(into).join("custos.db")).await
    }

    /// Files of the store's folder that are there for a moment only.
    fn leftovers(&self) -> Vec<String> {
        let folder = self.home.control();
        let names = fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.') || name.contains("part")).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn a_restored_backup_is_the_store_as_it_was_and_says_that_it_is_a_copy(home: Home) {
    let installation = Installation::new(home).await;
    installation.store.lease_subjects(41).await.unwrap();
    let header = installation.back_up("b").await.unwrap();
    installation.store.lease_subjects(5).await.unwrap();
    assert_eq!((header.made_at, header.epoch), (at(5), EpochId(1)));
    assert_eq!(installation.restore("b", "new").await.unwrap(), header);
    let path = installation.path("new").join("custos.db");
    let refused = Store::open(&path).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotReplayed), "{refused:?}");
    assert!(refused.hint().unwrap().contains("custos restore --replay"));
    let restored = Store::open_restored(&path).await.unwrap();
    restored.integrity().await.unwrap();
    assert_eq!(restored.lease_subjects(1).await.unwrap().get(), 42);
    let keys = KeyService::open(Arc::clone(&installation.ring) as _, Arc::new(restored.clone()));
    let found = keys.await.unwrap().file_secrets(&installation.files, &[KeyClass::Core]).await;
    assert_eq!(found.unwrap().len(), 40);
    restored.accept_restored().await.unwrap();
    Store::open(&path).await.unwrap();
    // The store itself is no copy.
    assert!(!installation.store.is_restored().await.unwrap());
}

async fn nothing_in_clear_and_nothing_half_done_is_left(home: Home) {
    let installation = Installation::new(home).await;
    let control = installation.home.control();
    fs::create_dir_all(&control).unwrap();
    // What a killed backup leaves.
    fs::write(control.join(SNAPSHOT), "in clear").unwrap();
    fs::write(installation.path("b.part"), "half").unwrap();
    installation.back_up("b").await.unwrap();
    installation.restore("b", "new").await.unwrap();
    installation
        .store
        .verify_backup(&installation.keys, &*installation.ring, &installation.path("b"))
        .await
        .unwrap();
    assert!(installation.leftovers().is_empty(), "{:?}", installation.leftovers());
    assert!(!installation.path("b.part").exists());
    assert_eq!(mode(&installation.path("b")), 0o600);
    assert_eq!(mode(&installation.path("new").join("custos.db")), 0o600);
    assert_eq!(mode(&installation.path("new")), 0o700);
    let sealed = fs::read(installation.path("b")).unwrap();
    for needle in [&b"SQLite format 3"[..], b"CREATE TABLE"] {
        assert!(!sealed.windows(needle.len()).any(|window| window == needle));
    }
}

async fn nothing_is_written_over(home: Home) {
    let installation = Installation::new(home).await;
    fs::write(installation.path("b"), "mine").unwrap();
    let error = installation.back_up("b").await.unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    installation.back_up("c").await.unwrap();
    installation.restore("c", "new").await.unwrap();
    let error = installation.restore("c", "new").await.unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    assert_eq!(fs::read(installation.path("b")).unwrap(), b"mine");
}

async fn a_damaged_backup_leaves_nothing_behind(home: Home) {
    let installation = Installation::new(home).await;
    installation.back_up("b").await.unwrap();
    let mut bytes = fs::read(installation.path("b")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(installation.path("b"), bytes).unwrap();
    let error = installation.restore("b", "new").await.unwrap_err();
    assert!(matches!(error, BackupError::Keys(KeyError::BackupMalformed { .. })), "{error}");
    assert_eq!(fs::read_dir(installation.path("new")).unwrap().count(), 0);
}

async fn a_rotation_leaves_one_backup_that_works_and_makes_older_ones_useless(home: Home) {
    let installation = Installation::new(home).await;
    let Installation { store, keys, ring, .. } = &installation;
    installation.back_up("old").await.unwrap();
    store.destroy(&installation.files[..3], &DestructionCause::Replaced, at(2)).await.unwrap();
    for epoch in [2, 3].map(EpochId) {
        let steps = std::sync::Mutex::new(Vec::new());
        let progress = |step| steps.lock().unwrap().push(step);
        let rotated = store.rotate(keys, &**ring, &Noon, &progress).await.unwrap();
        assert_eq!((rotated.epoch, rotated.rewrapped, rotated.secrets), (epoch, 75, 75));
        assert_eq!(rotated.destroyed, [EpochId(epoch.0 - 1)]);
        let steps = steps.into_inner().unwrap();
        assert_eq!(steps.first(), Some(&RotationStep::Rewrapping(75, 75)));
        assert_eq!(steps.last(), Some(&RotationStep::Destroying));
        assert_eq!(store.counts().await.unwrap(), [(epoch, 75)]);
        let folder = rotated.backup.parent().unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "dead ones are removed");
        let into = installation.path(&format!("after-{epoch}")).join("custos.db");
        restore(&**ring, &rotated.backup, &into).await.unwrap();
    }
    let error = installation.restore("old", "new").await.unwrap_err();
    let dead = matches!(error, BackupError::Keys(KeyError::BackupDead { epoch: EpochId(1) }));
    assert!(dead, "{error}");
    assert!(installation.leftovers().is_empty(), "{:?}", installation.leftovers());
}

on_both! {
    a_restored_backup_is_the_store_as_it_was_and_says_that_it_is_a_copy,
    nothing_in_clear_and_nothing_half_done_is_left,
    nothing_is_written_over,
    a_damaged_backup_leaves_nothing_behind,
    a_rotation_leaves_one_backup_that_works_and_makes_older_ones_useless,
}
