use std::fs;
use std::os::unix::fs::PermissionsExt;

use custos_core::{Classify, ErrorKind};
use custos_ingest::Ledger;

use super::*;
use crate::Store;
use crate::statement::query;
use crate::testing::Home;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_may_read_the_files_of_a_store() {
    let home = Home::folder();
    let store = home.create().await;
    store.lease_source(&"pos".parse().unwrap()).await.unwrap();
    store.lease_subjects(1).await.unwrap();
    let folder = home.path().parent().unwrap().to_owned();
    for path in [folder.clone(), folder.join("locks")] {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
    }
    for name in ["custos.db", "custos.db-wal", "custos.db-shm", "locks/pos.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_store_that_is_missing_is_not_made_by_opening_it() {
    let home = Home::folder();
    let error = Store::open(&home.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("is missing: it was lost or the path is wrong"));
    assert!(error.hint().unwrap().contains("backup"));
    assert!(!home.path().exists() && !home.path().parent().unwrap().exists());
}

#[tokio::test]
async fn files_that_are_no_control_store_are_refused_and_left_alone() {
    let page = [b"SQLite format 3\0".as_slice(), &[0x5a; 4080]].concat();
    for bytes in [b"".as_slice(), b"not a database, for sure", &[0x5a; 9000], &page] {
        let home = Home::folder();
        fs::create_dir_all(home.path().parent().unwrap()).unwrap();
        fs::write(home.path(), bytes).unwrap();
        let error = Store::open(&home.path()).await.unwrap_err();
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        assert_eq!(fs::read(home.path()).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let home = Home::folder();
    fs::create_dir_all(home.path().parent().unwrap()).unwrap();
    let options = SqliteConnectOptions::new().filename(home.path()).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)").execute(&pool).await.unwrap();
    pool.close().await;
    let error = Store::open(&home.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_store_is_noticed() {
    let home = Home::folder();
    drop(home.create().await);
    let store = SqliteStore::open(&home.path()).await.unwrap();
    store.integrity().await.unwrap();
    store.forget_older_states().await.unwrap();
    store.writer.close().await;
    store.readers.close().await;
    let mut bytes = fs::read(home.path()).unwrap();
    bytes[2 * 4096..].fill(0x5a);
    fs::write(home.path(), bytes).unwrap();
    match Store::open(&home.path()).await {
        Ok(store) => {
            let error = store.integrity().await.unwrap_err();
            assert!(matches!(error, StoreError::Integrity { .. }), "{error:?}");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Integrity, "{error:?}"),
    }
}

#[tokio::test]
async fn a_copy_that_sqlite_made_opens_with_everything_in_it() {
    let home = Home::folder();
    let store = home.create().await;
    store.lease_subjects(41).await.unwrap();
    let copy = home.path().with_file_name("copy.db");
    query("VACUUM INTO $1").bind(copy.to_str().unwrap()).execute(store.writers()).await.unwrap();
    let copy = Store::open(&copy).await.unwrap();
    assert_eq!(copy.lease_subjects(1).await.unwrap().get(), 42);
}

#[tokio::test]
async fn a_lease_is_a_lock_of_the_operating_system() {
    let home = Home::folder();
    let store = home.create().await;
    let lease = store.lease_source(&"pos".parse().unwrap()).await.unwrap();
    let file = home.path().with_file_name("locks").join("pos.lock");
    let file = fs::File::open(file).unwrap();
    assert!(matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)));
    drop(lease);
    file.try_lock().unwrap();
}
