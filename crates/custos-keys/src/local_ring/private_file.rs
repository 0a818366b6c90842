//! Files that only their owner may read, and that are never seen half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::failed;
use crate::KeyError;

const OTHERS: u32 = 0o077;

/// What tells one version of a file from the next without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Stamps the file, provided that only its owner may read it.
pub(super) fn stamp(folder: &Path, file: &'static str) -> Result<Stamp, KeyError> {
    let metadata = fs::metadata(folder.join(file)).map_err(missing_or_failed(file))?;
    check_private(&metadata, file)?;
    Ok(Stamp::of(&metadata))
}

/// Reads the file, provided that only its owner may.
pub(super) fn read(
    folder: &Path,
    file: &'static str,
) -> Result<(Zeroizing<Vec<u8>>, Stamp), KeyError> {
    let mut opened = File::open(folder.join(file)).map_err(missing_or_failed(file))?;
    let metadata = opened.metadata().map_err(failed("reading its files"))?;
    check_private(&metadata, file)?;
    // Room for all of it, so that growing leaves no copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    opened.read_to_end(&mut bytes).map_err(failed("reading its files"))?;
    Ok((bytes, Stamp::of(&metadata)))
}

/// Makes the file, which must not exist; durable when it returns.
pub(super) fn create(folder: &Path, file: &'static str, bytes: &[u8]) -> Result<(), KeyError> {
    let written = write_new(folder, file, bytes).and_then(|()| sync_folder(folder));
    written.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => KeyError::RingExists { file },
        _ => KeyError::Ring { operation: "writing its files", source },
    })
}

/// Puts `bytes` in the place of the file at once, by way of the file `new`.
///
/// Only one process may do so at a time.
pub(super) fn replace(
    folder: &Path,
    file: &'static str,
    new: &'static str,
    bytes: &[u8],
) -> Result<(), KeyError> {
    let replaced = remove_if_there(&folder.join(new))
        .and_then(|()| write_new(folder, new, bytes))
        .and_then(|()| fs::rename(folder.join(new), folder.join(file)))
        .and_then(|()| sync_folder(folder));
    replaced.map_err(failed("writing its files"))
}

/// Opens the file that processes lock to take turns.
pub(super) fn open_lock(folder: &Path, file: &'static str) -> Result<File, KeyError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(file))
        .map_err(failed("opening its lock"))
}

fn check_private(metadata: &fs::Metadata, file: &'static str) -> Result<(), KeyError> {
    if metadata.mode() & OTHERS != 0 {
        return Err(KeyError::RingExposed { file });
    }
    Ok(())
}

fn missing_or_failed(file: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    move |source| match source.kind() {
        ErrorKind::NotFound => KeyError::RingMissing { file },
        _ => KeyError::Ring { operation: "reading its files", source },
    }
}

fn write_new(folder: &Path, file: &str, bytes: &[u8]) -> io::Result<()> {
    let mut created =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(file))?;
    created.write_all(bytes)?;
    created.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
