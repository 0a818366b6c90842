//! The secrets of one file in plain form.

use std::collections::BTreeMap;

use custos_core::{FileId, KeyClass};

use crate::Secret;

/// The secrets of one file, one for each class of columns. `Debug` shows the classes only.
#[derive(Debug)]
pub struct FileSecrets {
    file: FileId,
    secrets: BTreeMap<KeyClass, Secret>,
}

impl FileSecrets {
    pub(crate) fn new(file: FileId) -> Self {
        Self { file, secrets: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, class: KeyClass, secret: Secret) {
        self.secrets.insert(class, secret);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyClass, &Secret)> {
        self.secrets.iter().map(|(class, secret)| (*class, secret))
    }

    /// Whose secrets these are.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The secret of a class; `None` if the file has none, or it was not asked for.
    pub fn get(&self, class: KeyClass) -> Option<&Secret> {
        self.secrets.get(&class)
    }

    /// The classes that there are secrets of, in order.
    pub fn classes(&self) -> impl Iterator<Item = KeyClass> {
        self.secrets.keys().copied()
    }
}
