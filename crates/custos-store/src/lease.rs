//! Leases: locks of files, or of sessions of a server.

use std::fs::{File, OpenOptions, TryLockError};
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
        let (folder, name) = (store.join("locks"), name.to_owned());
        let locked = tokio::task::spawn_blocking(move || lock(&folder, &name)).await;
        match locked.map_err(io::Error::from).flatten() {
            Ok(file) => Ok(Self { _locked: file }),
            Err(error) => Err(StoreError::Unavailable {
                operation: "taking a lease",
                source: Box::new(error),
            }),
        }
    }
}

/// The lock of a lease, if nobody has it.
pub(crate) fn lock_if_free(store: &Path, name: &str) -> io::Result<Option<FileLease>> {
    let opened = lock_file(&store.join("locks"), name)?;
    match opened.try_lock() {
        Ok(()) => Ok(Some(FileLease { _locked: opened })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The file stays when the lease ends: of two who wait for a file, one would lock a removed one.
fn lock(folder: &Path, name: &str) -> io::Result<File> {
    let opened = lock_file(folder, name)?;
    opened.lock()?;
    Ok(opened)
}

fn lock_file(folder: &Path, name: &str) -> io::Result<File> {
    create_private_folder(folder)?;
    let file = folder.join(format!("{name}.lock"));
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)
}
