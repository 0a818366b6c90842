//! A table of the lake as a governed query sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use custos_core::Purpose;
use custos_lake::{ColumnRole, Table, TableSpec};
use custos_policy::Dataset;

/// What a column of a governed table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The keyed id of the person of the subject in this column of the lake.
    PersonId(usize),
    /// The keyed id of the subject in this column of the lake.
    SubjectId(usize),
    /// The data in this column of the lake, under the grant's rule for it.
    Value(usize),
}

impl Shown {
    /// Whether it is somebody whom a row names besides the one whom it is about.
    pub(crate) const fn is_of_another(&self) -> bool {
        matches!(self, Self::PersonId(at) if *at > 0)
    }

    /// The column of the lake that is read for this.
    pub(crate) const fn lake_column(self) -> usize {
        match self {
            Self::PersonId(at) | Self::SubjectId(at) | Self::Value(at) => at,
        }
    }
}

/// A table of the lake with what the policy needs to know of it.
///
/// Shows `person_id` and `subject_id` in place of the subject column, `person_id_<role>` for other
/// people named in a row, and the columns of data; technical columns are not shown.
#[derive(Debug)]
pub struct GovernedSource {
    dataset: Dataset,
    table: Table,
    shown: Vec<Shown>,
    schema: SchemaRef,
    row_sources: Option<RowSources>,
}

/// A table whose rows come from several sources, each with purposes of its own.
#[derive(Debug)]
pub(crate) struct RowSources {
    /// The column of the lake that names a row's source.
    pub(crate) column: usize,
    /// The purposes that each source's people were notified of.
    pub(crate) notified: BTreeMap<String, Vec<Purpose>>,
}

impl GovernedSource {
    /// Describes a table for governed reading.
    pub fn new(dataset: Dataset, table: Table) -> Self {
        let (shown, fields) = shown(table.spec());
        let schema = Arc::new(Schema::new(fields));
        Self { dataset, table, shown, schema, row_sources: None }
    }

    /// Limits each row to the purposes notified at the source that its `column` names.
    #[must_use]
    pub fn with_row_sources(
        mut self,
        column: &str,
        notified: BTreeMap<String, Vec<Purpose>>,
    ) -> Self {
        // Without such a column no row has a source, and none is shown.
        let column = self.table.spec().position(column).unwrap_or(usize::MAX);
        self.row_sources = Some(RowSources { column, notified });
        self
    }

    /// The sources whose rows a purpose may show, if rows have sources of their own.
    pub(crate) fn sources_for(
        &self,
        covers: impl Fn(&[Purpose]) -> bool,
    ) -> Option<(usize, BTreeSet<String>)> {
        let rows = self.row_sources.as_ref()?;
        let shown = rows.notified.iter().filter(|(_, purposes)| covers(purposes));
        Some((rows.column, shown.map(|(source, _)| source.clone()).collect()))
    }

    /// What the policy knows of it.
    pub const fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The table of the lake.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The columns that it shows.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the column of this name shows.
    pub(crate) fn shown_as(&self, name: &str) -> Option<Shown> {
        self.shown.get(self.schema.index_of(name).ok()?).copied()
    }

    pub(crate) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Whether newer rows supersede older ones with the same key.
    pub(crate) fn has_versions(&self) -> bool {
        self.table.spec().position_of(ColumnRole::Version).is_some()
    }
}

fn shown(spec: &TableSpec) -> (Vec<Shown>, Vec<Field>) {
    let mut shown = Vec::new();
    let mut fields = Vec::new();
    for (at, column) in spec.columns().iter().enumerate() {
        match column.role {
            ColumnRole::Subject => {
                shown.extend([Shown::PersonId(at), Shown::SubjectId(at)]);
                fields.push(Field::new("person_id", DataType::Int64, true));
                fields.push(Field::new("subject_id", DataType::Int64, true));
            }
            ColumnRole::SecondarySubject => {
                let role = column.name.trim_start_matches("_rid_");
                shown.push(Shown::PersonId(at));
                fields.push(Field::new(format!("person_id_{role}"), DataType::Int64, true));
            }
            ColumnRole::Value => {
                shown.push(Shown::Value(at));
                // Text comes as views (`custos_lake::OpenFile::read_views`).
                let data_type = match &column.data_type {
                    DataType::Utf8 => DataType::Utf8View,
                    other => other.clone(),
                };
                fields.push(Field::new(&column.name, data_type, true));
            }
            ColumnRole::Key | ColumnRole::ContentHash | ColumnRole::Version => {}
        }
    }
    (shown, fields)
}
