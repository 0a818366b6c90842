//! The rows of a relation of the catalogue.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use super::shape::Shape;
use crate::QueryError;

/// The values of a column.
pub(super) enum Values {
    Numbers(Vec<i64>),
    Counts(Vec<Option<i64>>),
    Words(Vec<String>),
    Texts(Vec<Option<String>>),
    Flags(Vec<bool>),
    /// The same word in each row.
    Word(&'static str),
    /// The same number in each row.
    Number(i64),
    /// The same flag in each row.
    Flag(bool),
}

impl Values {
    fn array(self, rows: usize) -> ArrayRef {
        match self {
            Self::Numbers(values) => Arc::new(Int64Array::from(values)),
            Self::Counts(values) => Arc::new(Int64Array::from(values)),
            Self::Words(values) => Arc::new(StringArray::from(values)),
            Self::Texts(values) => Arc::new(StringArray::from(values)),
            Self::Flags(values) => Arc::new(BooleanArray::from(values)),
            Self::Word(value) => Arc::new(StringArray::from(vec![value; rows])),
            Self::Number(value) => Arc::new(Int64Array::from(vec![value; rows])),
            Self::Flag(value) => Arc::new(BooleanArray::from(vec![value; rows])),
        }
    }
}

/// Rows of a relation: what is said of some columns, and of the others what PostgreSQL says where
/// there is nothing to say.
pub(super) fn rows(
    shape: &Shape,
    rows: usize,
    said: Vec<(&str, Values)>,
) -> Result<RecordBatch, QueryError> {
    let mut said: Vec<_> =
        said.into_iter().map(|(name, values)| (name, values.array(rows))).collect();
    let mut arrays = Vec::with_capacity(shape.columns.len());
    for column in &shape.columns {
        let of = column.field.data_type();
        let at = said.iter().position(|(name, _)| name == column.field.name());
        arrays.push(match at.map(|at| said.swap_remove(at).1) {
            Some(values) => cast(&values, of).map_err(|_| QueryError::Internal)?,
            None if column.is_never_null => nothing(of, rows),
            None => new_null_array(of, rows),
        });
    }
    debug_assert!(said.is_empty(), "no such columns");
    batch(shape.columns.iter().map(|column| column.field.clone()).collect(), arrays)
}

/// Rows that came from elsewhere, with the columns and types of the relation.
pub(super) fn conform(shape: &Shape, from: &RecordBatch) -> Result<RecordBatch, QueryError> {
    let mut fields = Vec::with_capacity(shape.columns.len());
    let mut arrays = Vec::with_capacity(shape.columns.len());
    for column in &shape.columns {
        let field = &column.field;
        let array = match from.column_by_name(field.name()) {
            // Functions are told by their names, which is how PostgreSQL shows them.
            Some(array) if array.data_type() == &DataType::Utf8 => Arc::clone(array),
            Some(array) => cast(array, field.data_type()).unwrap_or_else(|_| Arc::clone(array)),
            None => new_null_array(field.data_type(), from.num_rows()),
        };
        fields.push(match array.data_type() == field.data_type() {
            true => field.clone(),
            false => Field::new(field.name(), array.data_type().clone(), true),
        });
        arrays.push(array);
    }
    batch(fields, arrays)
}

/// A table of these rows.
pub(super) fn table(rows: RecordBatch) -> Result<Arc<dyn TableProvider>, QueryError> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
    Ok(Arc::new(table.map_err(|_| QueryError::Internal)?))
}

fn batch(fields: Vec<Field>, arrays: Vec<ArrayRef>) -> Result<RecordBatch, QueryError> {
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|_| QueryError::Internal)
}

/// What stands where nothing may not stand.
fn nothing(of: &DataType, rows: usize) -> ArrayRef {
    match of {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![false; rows])),
        DataType::Int16 => Arc::new(Int16Array::from(vec![0; rows])),
        DataType::Int32 => Arc::new(Int32Array::from(vec![0; rows])),
        DataType::Utf8 => Arc::new(StringArray::from(vec![""; rows])),
        other => new_null_array(other, rows),
    }
}
