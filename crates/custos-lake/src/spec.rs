//! What a table is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use custos_core::{KeyClass, TableName};
use deltalake_core::kernel::{DataType as DeltaType, PrimitiveType, StructField};

use crate::LakeError;

/// What Custos itself uses a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnRole {
    /// The subject the row is about (`_rid`).
    Subject,
    /// Another subject named in the row (`_rid_<role>`); 0 if there is none.
    SecondarySubject,
    /// The keyed hash of the record key.
    Key,
    /// The keyed hash of the record's content.
    ContentHash,
    /// The version of the record among those with its key.
    Version,
    /// Data.
    Value,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name, also in the files.
    pub name: String,
    /// Its type, one of those in [`TableSpec::new`].
    pub data_type: DataType,
    /// The secret that seals it.
    pub class: KeyClass,
    /// What Custos uses it for.
    pub role: ColumnRole,
}

impl ColumnSpec {
    /// A column of data.
    pub fn value(name: impl Into<String>, data_type: DataType, class: KeyClass) -> Self {
        Self { name: name.into(), data_type, class, role: ColumnRole::Value }
    }

    /// A technical column; all are sealed by the core secret.
    pub fn technical(name: impl Into<String>, data_type: DataType, role: ColumnRole) -> Self {
        Self { name: name.into(), data_type, class: KeyClass::Core, role }
    }
}

/// The name and columns of a table.
///
/// The first column is always `_rid`, the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    name: TableName,
    columns: Vec<ColumnSpec>,
    schema: SchemaRef,
}

impl TableSpec {
    /// Name of the subject column.
    pub const SUBJECT: &'static str = "_rid";
    /// Name of the column of key hashes.
    pub const KEY: &'static str = "_key";
    /// Name of the column of content hashes.
    pub const CONTENT_HASH: &'static str = "_content";
    /// Name of the version column.
    pub const VERSION: &'static str = "_version";

    /// A table with these columns after `_rid`.
    ///
    /// Types are `Utf8`, `Int64`, `Float64`, `Boolean`, `Date32`, `Binary`, `Decimal128` and
    /// `Timestamp(Microsecond, "UTC")`: those that Delta has and that every tool reads.
    pub fn new(name: TableName, columns: Vec<ColumnSpec>) -> Result<Self, LakeError> {
        let mut all =
            vec![ColumnSpec::technical(Self::SUBJECT, DataType::Int64, ColumnRole::Subject)];
        all.extend(columns);
        for column in &all {
            delta_type(&column.data_type).ok_or_else(|| LakeError::Shape {
                table: name.clone(),
                what: format!("column `{}` has a type that tables do not have", column.name),
            })?;
        }
        let fields = all
            .iter()
            .map(|column| {
                let nullable = !matches!(column.role, ColumnRole::Subject);
                Field::new(&column.name, column.data_type.clone(), nullable)
            })
            .collect::<Vec<_>>();
        Ok(Self { name, columns: all, schema: Arc::new(Schema::new(fields)) })
    }

    /// The table's name.
    pub const fn name(&self) -> &TableName {
        &self.name
    }

    /// The columns in order.
    pub fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    /// The columns as an Arrow schema.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The position of the column with a technical role, where there is one.
    pub fn position_of(&self, role: ColumnRole) -> Option<usize> {
        self.columns.iter().position(|column| column.role == role)
    }

    /// The positions of all columns that hold subjects, the primary one first.
    pub fn subject_columns(&self) -> Vec<usize> {
        (0..self.columns.len())
            .filter(|&at| {
                matches!(self.columns[at].role, ColumnRole::Subject | ColumnRole::SecondarySubject)
            })
            .collect()
    }

    /// The classes of secrets that a file of this table needs.
    pub fn classes(&self) -> BTreeSet<KeyClass> {
        let mut classes: BTreeSet<_> = self.columns.iter().map(|column| column.class).collect();
        classes.insert(KeyClass::Core);
        classes
    }

    pub(crate) fn delta_fields(&self) -> Vec<StructField> {
        self.columns
            .iter()
            .filter_map(|column| {
                let nullable = !matches!(column.role, ColumnRole::Subject);
                Some(StructField::new(&column.name, delta_type(&column.data_type)?, nullable))
            })
            .collect()
    }
}

fn delta_type(data_type: &DataType) -> Option<DeltaType> {
    let primitive = match data_type {
        DataType::Utf8 => PrimitiveType::String,
        DataType::Int64 => PrimitiveType::Long,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Date32 => PrimitiveType::Date,
        DataType::Binary => PrimitiveType::Binary,
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            PrimitiveType::Timestamp
        }
        DataType::Decimal128(precision, scale) => {
            return DeltaType::decimal(*precision, u8::try_from(*scale).ok()?).ok();
        }
        _ => return None,
    };
    Some(DeltaType::Primitive(primitive))
}
