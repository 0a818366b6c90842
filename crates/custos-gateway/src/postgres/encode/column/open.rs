//! From an array of any type to values of one.

use arrow::array::{Array, AsArray, GenericByteArray, OffsetSizeTrait, RunArray};
use arrow::datatypes::*;

use super::{Bytes, Column, Member, Nul, Ranges, Values};
use crate::postgres::encode::cell::Fault;
use custos_query::pg_type::{PgType, array_of};

pub(super) fn values(array: &dyn Array) -> Result<Values<'_>, Fault> {
    Ok(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Bool(array.as_boolean_opt().ok_or(Fault::Unsupported)?),
        DataType::Int8 => Values::Int8(slice::<Int8Type>(array)?),
        DataType::Int16 => Values::Int16(slice::<Int16Type>(array)?),
        DataType::Int32 => Values::Int32(slice::<Int32Type>(array)?),
        DataType::Int64 => Values::Int64(slice::<Int64Type>(array)?),
        DataType::UInt8 => Values::UInt8(slice::<UInt8Type>(array)?),
        DataType::UInt16 => Values::UInt16(slice::<UInt16Type>(array)?),
        DataType::UInt32 => Values::UInt32(slice::<UInt32Type>(array)?),
        DataType::UInt64 => Values::UInt64(slice::<UInt64Type>(array)?),
        DataType::Float16 => Values::Float16(slice::<Float16Type>(array)?),
        DataType::Float32 => Values::Float32(slice::<Float32Type>(array)?),
        DataType::Float64 => Values::Float64(slice::<Float64Type>(array)?),
        DataType::Decimal32(_, scale) => Values::Decimal32(slice::<Decimal32Type>(array)?, *scale),
        DataType::Decimal64(_, scale) => Values::Decimal64(slice::<Decimal64Type>(array)?, *scale),
        DataType::Decimal128(_, scale) => {
            Values::Decimal128(slice::<Decimal128Type>(array)?, *scale)
        }
        DataType::Decimal256(_, scale) => {
            Values::Decimal256(slice::<Decimal256Type>(array)?, *scale)
        }
        DataType::Date32 => Values::Date32(slice::<Date32Type>(array)?),
        DataType::Date64 => Values::Date64(slice::<Date64Type>(array)?),
        DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(_, _) => times(array)?,
        DataType::Interval(_) | DataType::Duration(_) => intervals(array)?,
        DataType::Dictionary(_, _) => dictionary(array)?,
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array)?,
            DataType::Int32 => runs::<Int32Type>(array)?,
            _ => runs::<Int64Type>(array)?,
        },
        _ => bytes(array)?,
    })
}

fn slice<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&[T::Native], Fault> {
    let array = array.as_primitive_opt::<T>().ok_or(Fault::Unsupported)?;
    Ok(array.values().as_ref())
}

fn times(array: &dyn Array) -> Result<Values<'_>, Fault> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    Ok(match array.data_type() {
        DataType::Time32(Second) => Values::Time32(slice::<Time32SecondType>(array)?, Second),
        DataType::Time32(_) => Values::Time32(slice::<Time32MillisecondType>(array)?, Millisecond),
        DataType::Time64(Microsecond) => {
            Values::Time64(slice::<Time64MicrosecondType>(array)?, Microsecond)
        }
        DataType::Time64(_) => Values::Time64(slice::<Time64NanosecondType>(array)?, Nanosecond),
        DataType::Timestamp(unit, zone) => {
            let values = match unit {
                Second => slice::<TimestampSecondType>(array)?,
                Millisecond => slice::<TimestampMillisecondType>(array)?,
                Microsecond => slice::<TimestampMicrosecondType>(array)?,
                Nanosecond => slice::<TimestampNanosecondType>(array)?,
            };
            match zone {
                Some(_) => Values::Instant(values, *unit),
                None => Values::Timestamp(values, *unit),
            }
        }
        _ => return Err(Fault::Unsupported),
    })
}

fn intervals(array: &dyn Array) -> Result<Values<'_>, Fault> {
    Ok(match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => {
            Values::Months(slice::<IntervalYearMonthType>(array)?)
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            Values::DayTime(slice::<IntervalDayTimeType>(array)?)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Values::MonthDayNano(slice::<IntervalMonthDayNanoType>(array)?)
        }
        DataType::Duration(unit) => {
            let values = match unit {
                TimeUnit::Second => slice::<DurationSecondType>(array)?,
                TimeUnit::Millisecond => slice::<DurationMillisecondType>(array)?,
                TimeUnit::Microsecond => slice::<DurationMicrosecondType>(array)?,
                TimeUnit::Nanosecond => slice::<DurationNanosecondType>(array)?,
            };
            Values::Duration(values, *unit)
        }
        _ => return Err(Fault::Unsupported),
    })
}

fn dictionary(array: &dyn Array) -> Result<Values<'_>, Fault> {
    let array = array.as_any_dictionary_opt().ok_or(Fault::Unsupported)?;
    if array.values().is_empty() {
        return Ok(Values::Null);
    }
    let values = Column::new(array.values().as_ref())?;
    Ok(Values::Mapped(array.normalized_keys(), Box::new(values)))
}

fn runs<T: RunEndIndexType>(array: &dyn Array) -> Result<Values<'_>, Fault> {
    let array = array.as_any().downcast_ref::<RunArray<T>>().ok_or(Fault::Unsupported)?;
    let rows = (0..array.len()).map(|row| array.run_ends().get_physical_index(row)).collect();
    Ok(Values::Mapped(rows, Box::new(Column::new(array.values().as_ref())?)))
}

fn bytes(array: &dyn Array) -> Result<Values<'_>, Fault> {
    let values = match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string_opt::<i32>().ok_or(Fault::Unsupported)?;
            Values::Text(Bytes::Small(array.value_offsets(), array.value_data()), nul(array))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string_opt::<i64>().ok_or(Fault::Unsupported)?;
            Values::Text(Bytes::Large(array.value_offsets(), array.value_data()), nul(array))
        }
        DataType::Utf8View => {
            let array = array.as_string_view_opt().ok_or(Fault::Unsupported)?;
            Values::Text(Bytes::TextViews(array), Nul::Possible)
        }
        DataType::Binary => {
            let array = array.as_binary_opt::<i32>().ok_or(Fault::Unsupported)?;
            Values::Bytea(Bytes::Small(array.value_offsets(), array.value_data()))
        }
        DataType::LargeBinary => {
            let array = array.as_binary_opt::<i64>().ok_or(Fault::Unsupported)?;
            Values::Bytea(Bytes::Large(array.value_offsets(), array.value_data()))
        }
        DataType::BinaryView => {
            Values::Bytea(Bytes::Views(array.as_binary_view_opt().ok_or(Fault::Unsupported)?))
        }
        DataType::FixedSizeBinary(size) => {
            let array = array.as_fixed_size_binary_opt().ok_or(Fault::Unsupported)?;
            let size = usize::try_from(*size).map_err(|_| Fault::Unsupported)?;
            Values::Bytea(Bytes::Fixed(size, array.value_data()))
        }
        _ => nested(array)?,
    };
    Ok(values)
}

/// Whether any value of the column may hold a NUL; what lies below nulls is searched too.
fn nul<T: ByteArrayType>(array: &GenericByteArray<T>) -> Nul
where
    T::Offset: OffsetSizeTrait,
{
    let offsets = array.value_offsets();
    let first = offsets.first().map_or(0, |offset| offset.as_usize());
    let end = offsets.last().map_or(0, |offset| offset.as_usize());
    match array.value_data().get(first..end) {
        Some(data) if !data.contains(&0) => Nul::Absent,
        _ => Nul::Possible,
    }
}

fn nested(array: &dyn Array) -> Result<Values<'_>, Fault> {
    match array.data_type() {
        DataType::List(_) => {
            let array = array.as_list_opt::<i32>().ok_or(Fault::Unsupported)?;
            list(Ranges::Small(array.value_offsets()), array.values())
        }
        DataType::LargeList(_) => {
            let array = array.as_list_opt::<i64>().ok_or(Fault::Unsupported)?;
            list(Ranges::Large(array.value_offsets()), array.values())
        }
        DataType::ListView(_) => {
            let array = array.as_list_view_opt::<i32>().ok_or(Fault::Unsupported)?;
            list(Ranges::Views(array.value_offsets(), array.value_sizes()), array.values())
        }
        DataType::LargeListView(_) => {
            let array = array.as_list_view_opt::<i64>().ok_or(Fault::Unsupported)?;
            list(Ranges::LargeViews(array.value_offsets(), array.value_sizes()), array.values())
        }
        DataType::FixedSizeList(_, size) => {
            let array = array.as_fixed_size_list_opt().ok_or(Fault::Unsupported)?;
            let size = usize::try_from(*size).map_err(|_| Fault::Unsupported)?;
            list(Ranges::Fixed(size), array.values())
        }
        DataType::Struct(fields) => {
            let array = array.as_struct_opt().ok_or(Fault::Unsupported)?;
            let members = fields.iter().zip(array.columns());
            let members = members.map(|(field, column)| member(field.name(), column));
            Ok(Values::Struct(members.collect::<Result<_, _>>()?))
        }
        DataType::Map(_, _) => {
            let array = array.as_map_opt().ok_or(Fault::Unsupported)?;
            let ranges = Ranges::Small(array.value_offsets());
            let keys = Box::new(member("", array.keys())?);
            Ok(Values::Map { ranges, keys, values: Box::new(member("", array.values())?) })
        }
        DataType::Union(fields, _) => {
            let array = array.as_union_opt().ok_or(Fault::Unsupported)?;
            let child = |id| Ok((id, Column::new(array.child(id).as_ref())?));
            let children = fields.iter().map(|(id, _)| child(id)).collect::<Result<_, _>>()?;
            let offsets = array.offsets().map(AsRef::as_ref);
            Ok(Values::Union { ids: array.type_ids().as_ref(), offsets, children })
        }
        _ => Err(Fault::Unsupported),
    }
}

fn list<'a>(ranges: Ranges<'a>, items: &'a dyn Array) -> Result<Values<'a>, Fault> {
    let element = PgType::of(items.data_type()).oid;
    let element = array_of(element).map(|_| element);
    Ok(Values::List { ranges, items: Box::new(Column::new(items)?), element })
}

fn member<'a>(name: &'a str, array: &'a dyn Array) -> Result<Member<'a>, Fault> {
    Ok(Member { name, column: Column::new(array)? })
}
