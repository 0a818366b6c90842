//! The sources that models can read.

use std::collections::BTreeMap;

use custos_core::SourceId;

/// The sources of an installation, each with the columns that queries see of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    columns: BTreeMap<SourceId, Vec<String>>,
}

impl Sources {
    /// The sources in order of their ids.
    pub fn ids(&self) -> impl Iterator<Item = &SourceId> {
        self.columns.keys()
    }

    /// The source with this id and its columns.
    pub(crate) fn get(&self, id: &str) -> Option<(&SourceId, &[String])> {
        self.columns.get_key_value(&id.parse().ok()?).map(|(id, columns)| (id, columns.as_slice()))
    }
}

impl FromIterator<(SourceId, Vec<String>)> for Sources {
    fn from_iter<I: IntoIterator<Item = (SourceId, Vec<String>)>>(sources: I) -> Self {
        Self { columns: sources.into_iter().collect() }
    }
}
