//! Columns as clients of Arrow get them.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The columns as clients get them: without views and dictionaries, which not all of them know, and
/// without what a plan knows of NULLs and notes, which is not the same before it runs and after.
pub(crate) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| wire_field(field));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn wire_field(field: &Field) -> Field {
    Field::new(field.name(), wire_type(field.data_type()), true)
}

fn wire_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| Arc::new(wire_field(field));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => wire_type(value),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::List(inner(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(inner(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// The batch with the types of the schema.
pub(crate) fn as_schema(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast(column, field.data_type())
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn clients_get_neither_views_nor_dictionaries() {
        let views: ArrayRef =
            Arc::new(StringViewArray::from(vec!["茶", "a longer text than views hold"]));
        let words: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("views", views), ("words", Arc::new(words) as _)]);
        let batch = batch.unwrap();
        let schema = wire_schema(&batch.schema());
        let sent = as_schema(&batch, &schema).unwrap();
        let texts: StringArray = vec!["茶", "a longer text than views hold"].into();
        assert_eq!(sent.column(0).to_data(), texts.to_data());
        assert_eq!(sent.column(1).data_type(), &DataType::Utf8);
        let list = DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, false)));
        let expected = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        assert_eq!(wire_type(&list), expected);
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let rows = RecordBatchOptions::new().with_row_count(Some(3));
        let empty = Arc::new(Schema::empty());
        let batch = RecordBatch::try_new_with_options(Arc::clone(&empty), vec![], &rows).unwrap();
        assert_eq!(as_schema(&batch, &empty).unwrap().num_rows(), 3);
    }
}
