//! Keys joined by dots, as a tree.

use std::collections::BTreeMap;

use crate::problem::{Position, Reporter};

/// The key of the parent: all but the last word.
pub(crate) fn parent(key: &str) -> Option<&str> {
    key.rsplit_once('.').map(|(parent, _)| parent)
}

/// Entries by key as they were read, each with its place.
pub(crate) type Entries<T> = BTreeMap<String, (Position, T)>;

impl Reporter<'_> {
    /// Adds an entry unless its key is taken.
    pub(crate) fn add<T>(&mut self, entries: &mut Entries<T>, key: &str, at: Position, entry: T) {
        if let Some((first, _)) = entries.get(key) {
            let remedy = format!("keep one; the first is on line {}", first.line);
            self.report(at, format!("`{key}` is there twice"), remedy);
        } else {
            entries.insert(key.to_owned(), (at, entry));
        }
    }

    /// Reports entries whose parent is not there.
    pub(crate) fn check_parents<T>(&mut self, entries: &Entries<T>) {
        for (key, (at, _)) in entries {
            if let Some(parent) = parent(key).filter(|parent| !entries.contains_key(*parent)) {
                let remedy = format!("add an entry with `key: {parent}`");
                self.report(*at, format!("the parent of `{key}` is missing"), remedy);
            }
        }
    }
}
