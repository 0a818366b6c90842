//! Files for a moment, which only their owner may read and of which nothing shall stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

static CHUNK: [u8; 64 << 10] = [0; 64 << 10];

/// Makes a file that must not exist.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a file its final name, which nothing may have yet; durable when it returns.
pub(crate) fn publish(path: &Path, name: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    // Unlike a renaming, a link never takes the place of something.
    fs::hard_link(path, name)?;
    fs::remove_file(path)?;
    match name.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Overwrites a file with zeros and removes it; one that is not there is gone already.
pub(crate) fn erase(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = left.min(CHUNK.len() as u64);
        file.write_all(&CHUNK[..usize::try_from(count).unwrap_or(CHUNK.len())])?;
        left -= count;
    }
    file.sync_all()?;
    fs::remove_file(path)
}

/// Erases all files of a folder, which has no folders in it, and removes it.
pub(crate) fn erase_folder(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        erase(&entry?.path())?;
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let (part, name) = (folder.path().join("part"), folder.path().join("name"));
        create(&part).unwrap().write_all(b"new").unwrap();
        fs::write(&name, "old").unwrap();
        assert_eq!(publish(&part, &name).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&name).unwrap(), b"old");
        fs::remove_file(&name).unwrap();
        publish(&part, &name).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"new");
        assert!(!part.exists());
    }

    #[test]
    fn an_erased_file_was_zeros_before_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let (path, seen) = (folder.path().join("file"), folder.path().join("seen"));
        fs::write(&path, vec![7; 100_000]).unwrap();
        // Another name of the same bytes.
        fs::hard_link(&path, &seen).unwrap();
        erase(&path).unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(&seen).unwrap(), vec![0; 100_000]);
        erase_folder(folder.path()).unwrap();
        assert!(!folder.path().exists());
    }
}
