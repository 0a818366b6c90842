use std::io::Cursor;

use tempfile::TempDir;

use super::*;
use crate::LocalKeyRing;

const AT: Timestamp = Timestamp::from_micros(1_000_000);
const FIRST: EpochId = EpochId(1);
/// More than one frame of a stream.
const HOLDS: usize = (1 << 20) + 77;

async fn ring() -> (TempDir, LocalKeyRing) {
    let folder = TempDir::new().unwrap();
    let ring = LocalKeyRing::create(folder.path(), None).unwrap();
    ring.create_epoch(FIRST).await.unwrap();
    (folder, ring)
}

fn plain() -> Vec<u8> {
    (0..HOLDS).map(|at| (at % 251) as u8).collect()
}

async fn backup(kms: &dyn Kms) -> Vec<u8> {
    let key = BackupKey::new(kms, FIRST).await.unwrap();
    let mut file = Vec::new();
    let header = key.seal(AT, &mut Cursor::new(plain()), &mut file).unwrap();
    assert_eq!((header.made_at, header.epoch, header.bytes), (AT, FIRST, HOLDS as u64));
    file
}

async fn restore(kms: &dyn Kms, file: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut from = file;
    let header = read_backup_header(&mut from)?;
    let mut into = Vec::new();
    open_backup(kms, header).await?.unseal(from, &mut into)?;
    Ok(into)
}

#[tokio::test]
async fn a_backup_gives_back_what_it_was_made_from() {
    let (_folder, ring) = ring().await;
    let file = backup(&ring).await;
    let plain = plain();
    assert_eq!(restore(&ring, &file).await.unwrap(), plain);
    assert!(!file.windows(64).any(|window| window == &plain[..64]));
}

#[tokio::test]
async fn a_backup_that_was_changed_or_cut_anywhere_is_refused() {
    let (_folder, ring) = ring().await;
    let file = backup(&ring).await;
    for at in (0..400).step_by(3).chain((400..file.len()).step_by(80_011)).chain([file.len() - 1]) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let error = restore(&ring, &changed).await.unwrap_err();
        let told = matches!(
            error,
            KeyError::BackupMalformed { .. } | KeyError::WrongKeyRing | KeyError::BackupDead { .. }
        );
        assert!(told, "{at}: {error}");
        let error = restore(&ring, &file[..at]).await.unwrap_err();
        assert!(matches!(error, KeyError::BackupMalformed { .. }), "{at}: {error}");
    }
    let longer = [&file[..], b"x"].concat();
    assert!(matches!(restore(&ring, &longer).await, Err(KeyError::BackupMalformed { .. })));
}

#[tokio::test]
async fn a_backup_dies_with_its_epoch_and_belongs_to_one_kms() {
    let (_folder, ring) = ring().await;
    let (_other_folder, other) = super::tests::ring().await;
    let file = backup(&ring).await;
    assert!(matches!(restore(&other, &file).await, Err(KeyError::WrongKeyRing)));
    ring.create_epoch(EpochId(2)).await.unwrap();
    ring.destroy_epoch(FIRST).await.unwrap();
    let error = restore(&ring, &file).await.unwrap_err();
    assert!(matches!(error, KeyError::BackupDead { epoch: FIRST }), "{error}");
}
