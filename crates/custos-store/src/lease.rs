//! Leases: locks of files, or of sessions of a server.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use async_trait::async_trait;
use custos_core::StoreError;
use custos_ingest::Lease;
use custos_query::ExportLease;

use crate::store::{SessionLease, create_private_folder};

/// The lease of either kind of store.
#[derive(Debug)]
pub(crate) enum StoreLease {
    File(FileLease),
    Session(SessionLease),
}

#[async_trait]
impl Lease for StoreLease {
    async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::File(lease) => lease.check(),
            Self::Session(lease) => lease.check().await,
        }
    }
}

#[async_trait]
impl ExportLease for StoreLease {
    async fn check(&self) -> Result<(), StoreError> {
        Lease::check(self).await
    }
}

/// A lock of the operating system, which ends with the open file, hence with the process.
#[derive(Debug)]
pub(crate) struct FileLease {
    _locked: File,
}

impl FileLease {
    /// Nothing takes it away while the file is open.
    const fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Waits for the lock on `locks/<name>.lock` in the store's folder.
    pub(crate) async fn take(store: &Path, name: &str) -> Result<Self, StoreError> {
        let folder = store.join("locks");
        let file = folder.join(format!("{name}.lock"));
        let locked = tokio::task::spawn_blocking(move || lock(&folder, &file)).await;
        match locked.map_err(io::Error::from).flatten() {
            Ok(file) => Ok(Self { _locked: file }),
            Err(error) => Err(StoreError::Unavailable {
                operation: "taking a lease",
                source: Box::new(error),
            }),
        }
    }
}

/// The file stays when the lease ends: of two who wait for a file, one would lock a removed one.
fn lock(folder: &Path, file: &Path) -> io::Result<File> {
    create_private_folder(folder)?;
    let opened =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
    opened.lock()?;
    Ok(opened)
}
