use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use custos_core::Classify;
use tempfile::TempDir;

use super::*;
use crate::conformance;

const FIRST: EpochId = EpochId(1);

fn ring() -> (TempDir, LocalKeyRing) {
    let folder = TempDir::new().unwrap();
    let ring = LocalKeyRing::create(folder.path(), None).unwrap();
    (folder, ring)
}

fn mode(folder: &TempDir, file: &str) -> u32 {
    fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_local_ring_keeps_what_a_kms_promises() {
    let (_folder, ring) = ring();
    conformance::kms(&ring).await.unwrap();
}

#[tokio::test]
async fn a_ring_opens_again_with_its_epochs() {
    let (folder, ring) = ring();
    ring.create_epoch(FIRST).await.unwrap();
    let secret = Secret::random().unwrap();
    let wrapped = ring.wrap(FIRST, &secret, b"here").await.unwrap();
    let again = LocalKeyRing::open(folder.path(), None).unwrap();
    let unwrapped = again.unwrap(FIRST, &wrapped, b"here").await.unwrap();
    assert!(secret.expose(|bytes| unwrapped.expose(|others| bytes == others)));
    assert_eq!(again.epochs().await.unwrap(), [FIRST]);
}

#[tokio::test]
async fn two_openings_see_each_others_epochs_at_once() {
    let (folder, first) = ring();
    let second = LocalKeyRing::open(folder.path(), None).unwrap();
    for number in 1..20 {
        let epoch = EpochId(number);
        first.create_epoch(epoch).await.unwrap();
        assert!(matches!(second.create_epoch(epoch).await, Err(KeyError::EpochExists { .. })));
        let wrapped = second.wrap(epoch, &Secret::random().unwrap(), b"").await.unwrap();
        first.destroy_epoch(epoch).await.unwrap();
        let gone = second.unwrap(epoch, &wrapped, b"").await.unwrap_err();
        assert!(matches!(gone, KeyError::EpochDestroyed { .. }), "{gone}");
    }
}

#[test]
fn threads_that_create_epochs_at_once_lose_none() {
    let (folder, ring) = ring();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ring = LocalKeyRing::open(folder.path(), None).unwrap();
            scope.spawn(move || {
                for number in 0..5 {
                    let epoch = EpochId(thread * 10 + number);
                    ring.change(|file| file.create(epoch, &ring.ring_key)).unwrap();
                }
            });
        }
    });
    assert_eq!(ring.with_ring(|ring| Ok(ring.epochs().len())).unwrap(), 20);
}

#[test]
fn a_ring_is_never_written_over() {
    let (folder, _ring) = ring();
    let error = LocalKeyRing::create(folder.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::RingExists { file: RING }));
    fs::remove_file(folder.path().join(RING)).unwrap();
    let key = fs::read(folder.path().join(RING_KEY)).unwrap();
    let error = LocalKeyRing::create(folder.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::RingExists { file: RING_KEY }));
    assert_eq!(fs::read(folder.path().join(RING_KEY)).unwrap(), key);
}

#[test]
fn a_folder_without_a_ring_is_said_to_be_none() {
    let folder = TempDir::new().unwrap();
    let error = LocalKeyRing::open(folder.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::RingMissing { file: RING_KEY }));
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn files_that_others_may_read_are_refused() {
    let (folder, ring) = ring();
    ring.create_epoch(FIRST).await.unwrap();
    for file in [RING, RING_KEY] {
        assert_eq!(mode(&folder, file), 0o600, "{file}");
        let path = folder.path().join(file);
        for exposed in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
            let error = LocalKeyRing::open(folder.path(), None).unwrap_err();
            assert!(matches!(error, KeyError::RingExposed { file: named } if named == file));
            assert!(error.hint().unwrap().contains("chmod 600"));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(mode(&folder, RING_LOCK), 0o600);
}

#[tokio::test]
async fn a_ring_key_of_another_ring_is_noticed() {
    let (folder, ring) = ring();
    ring.create_epoch(FIRST).await.unwrap();
    let (other, _other_ring) = super::tests::ring();
    fs::copy(other.path().join(RING_KEY), folder.path().join(RING_KEY)).unwrap();
    let error = LocalKeyRing::open(folder.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::RingMalformed { file: RING, .. }));
    fs::write(folder.path().join(RING_KEY), "short").unwrap();
    let error = LocalKeyRing::open(folder.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::RingMalformed { file: RING_KEY, .. }));
}

#[tokio::test]
async fn a_key_moved_to_another_epoch_does_not_open() {
    let (folder, ring) = ring();
    ring.create_epoch(FIRST).await.unwrap();
    let path = folder.path().join(RING);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"epoch\": 1", "\"epoch\": 2")).unwrap();
    assert!(matches!(
        LocalKeyRing::open(folder.path(), None),
        Err(KeyError::RingMalformed { file: RING, .. })
    ));
}

#[tokio::test]
async fn a_destroyed_key_is_in_no_file_of_the_ring() {
    let (folder, ring) = ring();
    // What a crash between writing and renaming leaves behind.
    ring.create_epoch(FIRST).await.unwrap();
    fs::copy(folder.path().join(RING), folder.path().join(RING_NEW)).unwrap();
    let sealed = fs::read_to_string(folder.path().join(RING)).unwrap();
    let sealed = sealed.split("\"sealed\": \"").nth(1).unwrap().split('"').next().unwrap();
    ring.destroy_epoch(FIRST).await.unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(sealed));
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(zeroize::Zeroizing::new(text.to_owned()))
}

#[tokio::test]
async fn a_sealed_ring_opens_with_its_passphrase_only() {
    let folder = TempDir::new().unwrap();
    let right = passphrase("correct horse");
    let ring = LocalKeyRing::create(folder.path(), Some(&right)).unwrap();
    conformance::kms(&ring).await.unwrap();
    let again = LocalKeyRing::open(folder.path(), Some(&right)).unwrap();
    assert_eq!(again.epochs().await.unwrap(), [EpochId(2)]);
    let wrong = LocalKeyRing::open(folder.path(), Some(&passphrase("Correct horse")));
    assert!(matches!(wrong, Err(KeyError::WrongPassphrase)), "{wrong:?}");
    let none = LocalKeyRing::open(folder.path(), None).unwrap_err();
    assert!(matches!(none, KeyError::PassphraseMissing), "{none}");
    assert!(none.hint().unwrap().contains("CUSTOS_KEYS_PASSPHRASE"));
    assert_eq!(mode(&folder, RING_KEY), 0o600);
    let text = fs::read_to_string(folder.path().join(RING_KEY)).unwrap();
    assert!(text.contains("argon2id") && !text.contains("horse"), "{text}");
    assert_eq!(format!("{right:?}"), "Passphrase(..)");
}

#[test]
fn a_passphrase_for_a_ring_without_one_is_refused() {
    let (folder, _ring) = ring();
    let error = LocalKeyRing::open(folder.path(), Some(&passphrase("x"))).unwrap_err();
    assert!(matches!(error, KeyError::PassphraseUnused), "{error}");
}

#[test]
fn parameters_that_this_program_does_not_write_are_refused() {
    let folder = TempDir::new().unwrap();
    let right = passphrase("correct horse");
    LocalKeyRing::create(folder.path(), Some(&right)).unwrap();
    let path = folder.path().join(RING_KEY);
    let text = fs::read_to_string(&path).unwrap();
    for (written, instead) in [
        ("\"memory_kib\": 65536", "\"memory_kib\": 4294967295"),
        ("\"passes\": 3", "\"passes\": 0"),
        ("\"lanes\": 4", "\"lanes\": 16777216"),
        ("\"version\": 1", "\"version\": 2"),
        ("argon2id", "argon2i"),
        ("\"salt\": \"", "\"salt\": \"!"),
    ] {
        assert!(text.contains(written), "{written}");
        fs::write(&path, text.replace(written, instead)).unwrap();
        let error = LocalKeyRing::open(folder.path(), Some(&right)).unwrap_err();
        assert!(matches!(error, KeyError::RingMalformed { file: RING_KEY, .. }), "{error}");
    }
}
