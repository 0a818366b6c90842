//! What a decision needs to know about a table.

use custos_core::{ColumnKind, DataCategory, KeyClass, Purpose, TableName};

/// A table as its contract, or the inference over a model, describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The table's name.
    pub table: TableName,
    /// The columns.
    pub columns: Vec<DatasetColumn>,
    /// The purposes notified at the source. One that is not a leaf covers those below it.
    pub purposes: Vec<Purpose>,
    /// Whether rows without subject may be seen.
    pub unattributed_visible: bool,
    /// The jurisdiction of people whose own is not known, such as `cn`.
    pub jurisdiction: String,
    /// The column that says when the thing happened, from which rows age; none when they do not.
    pub event_time: Option<String>,
}

impl Dataset {
    /// The column that rows age by.
    pub(crate) fn event_time_column(&self) -> Option<&DatasetColumn> {
        let name = self.event_time.as_ref()?;
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The categories of all columns.
    pub(crate) fn categories(&self) -> Vec<&DataCategory> {
        self.columns.iter().filter_map(|column| column.category.as_ref()).collect()
    }
}

/// One column of a [`Dataset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetColumn {
    /// The column's name.
    pub name: String,
    /// What its values tell about a person; none for technical columns.
    pub category: Option<DataCategory>,
    /// What the contract says it is; none for technical and derived columns.
    pub kind: Option<ColumnKind>,
    /// Which secret seals it.
    pub class: KeyClass,
}

impl DatasetColumn {
    /// Whether values may hold anything, whatever the category says.
    pub(crate) fn is_content(&self) -> bool {
        self.kind == Some(ColumnKind::Content) || self.class == KeyClass::Content
    }

    /// Whether the column can be about nobody: uncategorised, and neither content, identifier nor
    /// sensitive. An uncategorised column of those kinds is a gap in a contract, and is withheld.
    pub(crate) fn is_technical(&self) -> bool {
        self.category.is_none()
            && !self.is_content()
            && self.kind != Some(ColumnKind::Identifier)
            && matches!(self.class, KeyClass::Core | KeyClass::Fact)
    }
}
