//! From values to Arrow batches of the landing table.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
    Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::DataType;
use custos_core::Rid;
use custos_lake::{ColumnRole, LakeError, TableSpec};

use crate::contract::Contract;
use crate::records::Record;
use crate::row::{ParsedRow, Value};

/// Rows of a batch that is written.
pub(crate) const BATCH_ROWS: usize = 16_384;

/// Collects rows of a landing table.
pub(crate) struct BatchBuilder {
    spec: Arc<TableSpec>,
    columns: Vec<Builder>,
    /// For each column of the table, where its values come from.
    origins: Vec<Origin>,
    rows: usize,
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder").field("rows", &self.rows).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    Subject,
    SecondarySubject(usize),
    Key,
    ContentHash,
    Version,
    Value(usize),
    Extra,
}

/// A row and who it is about.
pub(crate) struct Placed<'a> {
    pub(crate) row: &'a ParsedRow,
    pub(crate) subject: Rid,
    /// In the order of the contract's secondary roles.
    pub(crate) others: &'a [Rid],
    pub(crate) record: Option<Record>,
}

impl BatchBuilder {
    pub(crate) fn new(spec: Arc<TableSpec>, contract: &Contract) -> Self {
        let mut facts = contract.fact_columns().map(|(at, _)| at);
        let mut others = 0;
        let origins = spec
            .columns()
            .iter()
            .map(|column| match column.role {
                ColumnRole::Subject => Origin::Subject,
                ColumnRole::SecondarySubject => {
                    others += 1;
                    Origin::SecondarySubject(others - 1)
                }
                ColumnRole::Key => Origin::Key,
                ColumnRole::ContentHash => Origin::ContentHash,
                ColumnRole::Version => Origin::Version,
                ColumnRole::Value => facts.next().map_or(Origin::Extra, Origin::Value),
            })
            .collect();
        let columns = spec.columns().iter().map(|column| Builder::new(&column.data_type)).collect();
        Self { spec, columns, origins, rows: 0 }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS
    }

    pub(crate) fn push(&mut self, placed: &Placed<'_>) {
        for (builder, origin) in self.columns.iter_mut().zip(&self.origins) {
            match origin {
                Origin::Subject => builder.integer(placed.subject.column_value()),
                Origin::SecondarySubject(at) => {
                    builder.integer(placed.others.get(*at).map_or(0, |rid| rid.column_value()));
                }
                Origin::Key => builder.bytes(placed.record.map(|record| record.key)),
                Origin::ContentHash => builder.bytes(placed.record.map(|record| record.content)),
                Origin::Version => {
                    builder.integer(placed.record.map_or(0, |record| record.version))
                }
                Origin::Value(at) => builder.value(&placed.row.values[*at]),
                Origin::Extra => match &placed.row.extra {
                    Some(extra) => builder.text(extra.expose()),
                    None => builder.null(),
                },
            }
        }
        self.rows += 1;
    }

    /// The rows collected so far; nothing if there are none.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, LakeError> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.rows = 0;
        let types = self.spec.columns().iter().map(|column| &column.data_type);
        let columns =
            self.columns.iter_mut().zip(types).map(|(builder, of)| builder.finish(of)).collect();
        let batch = RecordBatch::try_new(Arc::clone(self.spec.schema()), columns);
        batch.map(Some).map_err(|_| LakeError::Shape {
            table: self.spec.name().clone(),
            what: "rows do not fit its columns".into(),
        })
    }
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Decimal128(..) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => Self::Timestamp(
                TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()),
            ),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            // A table has no other types than text: `TableSpec::new` refuses them.
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Appends a value; one of another type than the column's is null, which `required` columns
    /// and the reader's types rule out.
    fn value(&mut self, value: &Value) {
        match (self, value) {
            (Self::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Self::Integer(builder), Value::Integer(number)) => builder.append_value(*number),
            (Self::Float(builder), Value::Float(number)) => builder.append_value(*number),
            (Self::Decimal(builder), Value::Decimal(number)) => builder.append_value(*number),
            (Self::Boolean(builder), Value::Boolean(truth)) => builder.append_value(*truth),
            (Self::Date(builder), Value::Date(days)) => builder.append_value(*days),
            (Self::Timestamp(builder), Value::Timestamp(micros)) => builder.append_value(*micros),
            (builder, _) => builder.null(),
        }
    }

    fn integer(&mut self, number: i64) {
        self.value(&Value::Integer(number));
    }

    fn text(&mut self, text: &str) {
        match self {
            Self::Text(builder) => builder.append_value(text),
            other => other.null(),
        }
    }

    fn bytes(&mut self, bytes: Option<[u8; 16]>) {
        match (self, bytes) {
            (Self::Bytes(builder), Some(bytes)) => builder.append_value(bytes),
            (builder, _) => builder.null(),
        }
    }

    fn null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self, data_type: &DataType) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => {
                let decimals = builder.finish();
                *builder = Decimal128Builder::new().with_data_type(data_type.clone());
                Arc::new(decimals)
            }
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => {
                let instants = builder.finish();
                *builder = TimestampMicrosecondBuilder::new().with_data_type(data_type.clone());
                Arc::new(instants)
            }
            Self::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}
