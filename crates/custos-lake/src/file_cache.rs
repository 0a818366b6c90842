//! Files that stay open between reads.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use custos_core::{FileId, KeyClass};

use crate::{FileEntry, OpenFile};

/// Files kept open; beyond this the cache starts afresh.
const FILES_MAX: usize = 4096;

type Slot = (FileId, BTreeSet<KeyClass>);

/// Open files by id and by the classes they were opened with.
///
/// Holds key material, so [`FileCache::forget`] belongs to every destruction of secrets.
#[derive(Debug, Default)]
pub(crate) struct FileCache {
    files: Mutex<HashMap<Slot, Arc<OpenFile>>>,
}

impl FileCache {
    /// The open file of exactly this entry and these classes.
    pub(crate) fn get(
        &self,
        entry: &FileEntry,
        classes: &BTreeSet<KeyClass>,
    ) -> Option<Arc<OpenFile>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.get(&(entry.file, classes.clone()))?;
        (file.entry() == entry).then(|| Arc::clone(file))
    }

    pub(crate) fn put(&self, file: Arc<OpenFile>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert((file.entry().file, file.classes().clone()), file);
    }

    /// Drops all but the live files, and with them their keys.
    pub(crate) fn retain(&self, live: &[FileEntry]) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(file, _), _| live.binary_search_by_key(file, |entry| entry.file).is_ok());
    }

    pub(crate) fn forget(&self, gone: &[FileId]) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(file, _), _| !gone.contains(file));
    }
}
