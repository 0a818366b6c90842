//! A KMS in a folder of this machine.

mod key_file;
mod private_file;
mod ring_file;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use custos_core::EpochId;

use crate::local_ring::private_file::Stamp;
use crate::local_ring::ring_file::{OpenRing, RingFile};
use crate::{Destruction, KeyError, Kms, Passphrase, Secret, aead, hex, random_bytes};

const RING: &str = "ring.json";
const RING_NEW: &str = "ring.json.new";
const RING_KEY: &str = "ring.key";
const RING_LOCK: &str = "ring.lock";

/// A key ring: a folder with `ring.json`, the key-encryption keys sealed under the ring key, and
/// `ring.key`, the ring key itself or, if the ring is sealed, what it takes to compute the ring
/// key from a passphrase. Both are readable by their owner only.
///
/// Several processes may use one ring at once; each sees what the others create and destroy with
/// its next call. Calls read and write small files and block the thread meanwhile.
#[derive(Debug)]
pub struct LocalKeyRing {
    folder: PathBuf,
    ring_key: Secret,
    loaded: Mutex<Loaded>,
}

/// The ring as it was in the file that had this stamp.
#[derive(Debug)]
struct Loaded {
    stamp: Stamp,
    ring: OpenRing,
}

impl LocalKeyRing {
    /// Makes a ring without epochs in `folder`, which need not exist. Never writes over a ring.
    ///
    /// With a passphrase the ring is sealed: it opens with that passphrase only.
    pub fn create(folder: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("creating its folder"))?;
        if folder.join(RING).exists() {
            return Err(KeyError::RingExists { file: RING });
        }
        private_file::create(folder, RING_KEY, key_file::create(passphrase)?.as_bytes())?;
        let ring = RingFile::new(hex::encode(&random_bytes::<16>()?));
        private_file::create(folder, RING, ring.to_json()?.as_bytes())?;
        Self::open(folder, passphrase)
    }

    /// Opens the ring in `folder`; every key-encryption key in it is tried at once.
    ///
    /// A sealed ring takes its passphrase, any other takes none: somebody who gives one believes
    /// that it protects the ring.
    pub fn open(folder: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let (text, _) = private_file::read(folder, RING_KEY)?;
        let ring_key = key_file::open(&text, passphrase)?;
        let loaded = load(folder, &ring_key)?;
        Ok(Self { folder: folder.to_owned(), ring_key, loaded: Mutex::new(loaded) })
    }

    /// Lends the ring as it now is on disk, whoever wrote it.
    fn with_ring<R>(
        &self,
        f: impl FnOnce(&OpenRing) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let mut loaded = self.loaded();
        if private_file::stamp(&self.folder, RING)? != loaded.stamp {
            *loaded = load(&self.folder, &self.ring_key)?;
        }
        f(&loaded.ring)
    }

    /// Replaces the ring by what `change` makes of it, alone among all processes.
    fn change(
        &self,
        change: impl FnOnce(&mut RingFile) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        // Held until the file is closed at the end, whichever way that comes.
        let lock = private_file::open_lock(&self.folder, RING_LOCK)?;
        lock.lock().map_err(failed("waiting for its lock"))?;
        let (bytes, _) = private_file::read(&self.folder, RING)?;
        let mut ring = RingFile::from_json(&bytes)?;
        change(&mut ring)?;
        private_file::replace(&self.folder, RING, RING_NEW, ring.to_json()?.as_bytes())?;
        // Keys that are no longer in the file shall not stay in this process either.
        *self.loaded() = load(&self.folder, &self.ring_key)?;
        Ok(())
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(folder: &Path, ring_key: &Secret) -> Result<Loaded, KeyError> {
    let (bytes, stamp) = private_file::read(folder, RING)?;
    Ok(Loaded { stamp, ring: RingFile::from_json(&bytes)?.open(ring_key)? })
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    move |source| KeyError::Ring { operation, source }
}

fn context_of(context: &[u8]) -> Vec<u8> {
    [b"custos/wrap/1/", context].concat()
}

#[async_trait]
impl Kms for LocalKeyRing {
    async fn create_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.change(|ring| ring.create(epoch, &self.ring_key))
    }

    async fn wrap(
        &self,
        epoch: EpochId,
        secret: &Secret,
        context: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        self.with_ring(|ring| {
            let key = ring.key(epoch)?;
            secret.expose(|bytes| aead::seal(key, &context_of(context), bytes))
        })
    }

    async fn unwrap(
        &self,
        epoch: EpochId,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Secret, KeyError> {
        self.with_ring(|ring| {
            let bytes = aead::open(ring.key(epoch)?, &context_of(context), wrapped)?;
            let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Unopened)?;
            Ok(Secret::from_bytes(bytes))
        })
    }

    async fn destroy_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.change(|ring| ring.destroy(epoch))
    }

    async fn epochs(&self) -> Result<Vec<EpochId>, KeyError> {
        self.with_ring(|ring| Ok(ring.epochs()))
    }

    fn destruction(&self) -> Destruction {
        Destruction {
            delay_seconds: 0,
            assurance: "local key ring: the key-encryption key is removed from the ring's file at \
                        once. Nobody but the operator can say that no backup, snapshot or \
                        unscrubbed disk block still holds an earlier ring together with its key."
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
