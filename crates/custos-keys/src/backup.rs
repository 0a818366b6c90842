//! Sealed files that hold a copy of the secret store and all that is beside it.
//!
//! A backup is `custos-backup-1\n`, the length of its header (`u32`, little endian), the header as
//! JSON, and a sealed stream as in [`crate::SealedWriter`], bound to the header. Its secret is
//! made for it alone and wrapped under an epoch of the KMS, so a backup never holds a key that
//! opens it, and dies with its epoch.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use custos_core::{EpochId, FileId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{KeyError, Kms, SealedWriter, Secret, hex, open_sealed_stream};

const MAGIC: &[u8; 16] = b"custos-backup-1\n";
const HEADER_BYTES_MAX: u32 = 64 << 10;
const CHUNK_BYTES: usize = 256 << 10;

const READING: &str = "reading it";
const WRITING: &str = "writing it";

/// What a backup says of itself in clear. Changing it breaks the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupHeader {
    /// When it was made.
    pub made_at: Timestamp,
    /// The epoch of the key-encryption key that wrapped its secret.
    pub epoch: EpochId,
    /// The bytes of what is sealed.
    pub bytes: u64,
    /// The SHA-256 of what is sealed, in hexadecimal digits.
    pub sha256: String,
    owner: FileId,
    wrapped: String,
}

/// The secret of a backup that is yet to be written.
#[derive(Debug)]
pub struct BackupKey {
    owner: FileId,
    epoch: EpochId,
    wrapped: Vec<u8>,
    secret: Secret,
}

/// A backup whose secret is unwrapped.
#[derive(Debug)]
pub struct OpenBackup {
    header: BackupHeader,
    secret: Secret,
}

impl BackupKey {
    pub(crate) async fn new(kms: &dyn Kms, epoch: EpochId) -> Result<Self, KeyError> {
        let owner = FileId::from_random(crate::random_bytes()?);
        let secret = Secret::random()?;
        let wrapped = kms.wrap(epoch, &secret, &context(owner)).await?;
        Ok(Self { owner, epoch, wrapped, secret })
    }

    /// Seals all of `plain` into a backup.
    pub fn seal(
        self,
        made_at: Timestamp,
        plain: &mut (impl Read + Seek),
        mut into: impl Write,
    ) -> Result<BackupHeader, KeyError> {
        let (bytes, sha256) = copy(plain, &mut io::sink()).map_err(failed(READING))?;
        plain.seek(SeekFrom::Start(0)).map_err(failed(READING))?;
        let wrapped = STANDARD.encode(&self.wrapped);
        let header =
            BackupHeader { made_at, epoch: self.epoch, bytes, sha256, owner: self.owner, wrapped };
        let text = header.to_json()?;
        let length = u32::try_from(text.len()).map_err(|_| malformed("its header is too long"))?;
        for part in [&MAGIC[..], &length.to_le_bytes(), &text] {
            into.write_all(part).map_err(failed(WRITING))?;
        }
        let mut sealed = SealedWriter::new(into, &self.secret, &text).map_err(failed(WRITING))?;
        let copied = copy(plain, &mut sealed).map_err(failed(WRITING))?;
        if copied != (header.bytes, header.sha256.clone()) {
            return Err(malformed("what it was made from changed meanwhile"));
        }
        sealed.finish().map_err(failed(WRITING))?;
        Ok(header)
    }
}

/// Reads what a backup says of itself; what it holds comes after that in `from`.
pub fn read_backup_header(from: &mut impl Read) -> Result<BackupHeader, KeyError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(cut_or_failed)?;
    if magic != *MAGIC {
        return Err(malformed("it does not begin as one"));
    }
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(cut_or_failed)?;
    let length = u32::from_le_bytes(length);
    if length > HEADER_BYTES_MAX {
        return Err(malformed("its header is too long"));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(cut_or_failed)?;
    serde_json::from_slice(&text).map_err(|_| malformed("its header is not one"))
}

/// Unwraps the secret of a backup.
///
/// If its epoch was destroyed, so was the backup: [`KeyError::BackupDead`].
pub async fn open_backup(kms: &dyn Kms, header: BackupHeader) -> Result<OpenBackup, KeyError> {
    let wrapped =
        STANDARD.decode(&header.wrapped).map_err(|_| malformed("its secret is not base64"))?;
    let secret = kms.unwrap(header.epoch, &wrapped, &context(header.owner)).await;
    match secret {
        Ok(secret) => Ok(OpenBackup { header, secret }),
        Err(KeyError::EpochDestroyed { epoch }) => Err(KeyError::BackupDead { epoch }),
        Err(KeyError::EpochUnknown { .. } | KeyError::Unopened) => Err(KeyError::WrongKeyRing),
        Err(error) => Err(error),
    }
}

impl OpenBackup {
    /// Unseals all that the backup holds; `from` is where its header ended.
    ///
    /// What was written is whole and unchanged only if this succeeds.
    pub fn unseal(self, from: impl Read, mut into: impl Write) -> Result<BackupHeader, KeyError> {
        let aad = self.header.to_json()?;
        let mut plain = open_sealed_stream(from, &self.secret, &aad).map_err(cut_or_failed)?;
        let copied = copy(&mut plain, &mut into).map_err(cut_or_failed)?;
        if copied != (self.header.bytes, self.header.sha256.clone()) {
            return Err(malformed("it does not hold what its header says"));
        }
        into.flush().map_err(failed(WRITING))?;
        Ok(self.header)
    }
}

impl BackupHeader {
    fn to_json(&self) -> Result<Vec<u8>, KeyError> {
        serde_json::to_vec(self).map_err(|_| malformed("its header cannot be written as JSON"))
    }
}

/// Copies everything; returns how many bytes and their digest.
fn copy(from: &mut impl Read, into: &mut impl Write) -> io::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    let mut chunk = Zeroizing::new(vec![0; CHUNK_BYTES]);
    loop {
        let count = from.read(&mut chunk)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else {
            return Ok((bytes, hex::encode(&digest.finalize())));
        };
        digest.update(read);
        into.write_all(read)?;
        bytes += count as u64;
    }
}

fn context(owner: FileId) -> Vec<u8> {
    [b"custos/backup/1/", &owner.as_bytes()[..]].concat()
}

const fn malformed(what: &'static str) -> KeyError {
    KeyError::BackupMalformed { what }
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    move |source| KeyError::BackupFile { operation, source }
}

/// A seal that does not open and an early end are no matter of the disk.
fn cut_or_failed(error: io::Error) -> KeyError {
    match error.kind() {
        ErrorKind::InvalidData => malformed("it was changed"),
        ErrorKind::UnexpectedEof => malformed("its end is missing"),
        _ => failed(READING)(error),
    }
}

#[cfg(test)]
mod tests;
