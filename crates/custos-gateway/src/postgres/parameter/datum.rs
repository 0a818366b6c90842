//! Values that were read, and arrays of them.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;

use super::Problem;
use super::kind::Kind;
use super::numeric::{self, Number};

/// A value as Arrow counts it: days and microseconds from 1970.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum {
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    Numeric(Number),
    Text(String),
    Bytea(Vec<u8>),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    Interval(IntervalMonthDayNano),
}

/// Values of a kind; those of another would be null, and there are none.
pub(super) fn array(kind: Kind, values: Vec<Option<Datum>>) -> Result<ArrayRef, Problem> {
    macro_rules! of {
        ($array:ty, $variant:ident) => {
            values
                .into_iter()
                .map(|value| match value {
                    Some(Datum::$variant(value)) => Some(value),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    Ok(match kind {
        Kind::Bool => Arc::new(of!(BooleanArray, Bool)),
        Kind::Int2 => Arc::new(of!(Int16Array, Int2)),
        Kind::Int4 => Arc::new(of!(Int32Array, Int4)),
        Kind::Int8 => Arc::new(of!(Int64Array, Int8)),
        Kind::Float4 => Arc::new(of!(Float32Array, Float4)),
        Kind::Float8 => Arc::new(of!(Float64Array, Float8)),
        Kind::Numeric => numeric::array(&of!(Vec<Option<Number>>, Numeric))?,
        Kind::Text | Kind::Uuid | Kind::Json | Kind::Jsonb => Arc::new(of!(StringArray, Text)),
        Kind::Bytea => Arc::new(of!(BinaryArray, Bytea)),
        Kind::Date => Arc::new(of!(Date32Array, Date)),
        Kind::Time => Arc::new(of!(Time64MicrosecondArray, Time)),
        Kind::Timestamp => Arc::new(of!(TimestampMicrosecondArray, Timestamp)),
        Kind::Timestamptz => {
            Arc::new(of!(TimestampMicrosecondArray, Timestamp).with_timezone("UTC"))
        }
        Kind::Interval => Arc::new(of!(IntervalMonthDayNanoArray, Interval)),
    })
}

/// One list of the values, or one null.
pub(super) fn list(kind: Kind, values: Option<Vec<Option<Datum>>>) -> Result<ArrayRef, Problem> {
    let nulls = values.is_none().then(|| NullBuffer::new_null(1));
    let items = array(kind, values.unwrap_or_default())?;
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([items.len()]);
    let list = ListArray::try_new(field, offsets, items, nulls);
    list.map(|list| Arc::new(list) as ArrayRef).map_err(|_| Problem::Not("an array"))
}
