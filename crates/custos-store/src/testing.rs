//! Small stores for the tests.

use std::path::PathBuf;

use custos_core::{RequestId, Rid, Timestamp};
use tempfile::TempDir;

use crate::Store;

/// A folder that is removed with the value.
pub(crate) struct Home(TempDir);

impl Home {
    /// Where the store is.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("control").join("custos.db")
    }

    /// Opens the store, as another process would.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.path()).await.unwrap()
    }
}

pub(crate) fn home() -> Home {
    Home(tempfile::tempdir().unwrap())
}

/// A new store and where it lives.
pub(crate) async fn new_store() -> (Home, Store) {
    let home = home();
    let store = Store::create(&home.path()).await.unwrap();
    (home, store)
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn rids(numbers: &[u32]) -> Vec<Rid> {
    numbers.iter().copied().map(Rid::new).collect()
}

pub(crate) fn request_id(number: u8) -> RequestId {
    RequestId::from_random([number; 16])
}
