//! Batches that carry no byte of a value that is not in them.
//!
//! Arrow arrays may share buffers that hold more than the array shows: rows that were filtered
//! out, or values below a null. Wire formats ship buffers as they are, so what leaves a governed
//! scan owns exactly its values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, BooleanArray, PrimitiveArray,
    StringBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::error::{DataFusionError, Result};

use crate::mutants::{self, Mutant};

/// An array equal to this one whose buffers hold nothing else.
pub(crate) fn scrub(array: &ArrayRef) -> Result<ArrayRef> {
    if mutants::is_on(Mutant::ValuesBelowNulls) {
        return Ok(Arc::clone(array));
    }
    match array.data_type() {
        DataType::Utf8 => {
            let text = array.as_string::<i32>();
            if exact_bytes(text.value_data().len(), text.value_offsets()) && nulls_are_empty(text) {
                return Ok(Arc::clone(array));
            }
            let mut copy = StringBuilder::new();
            text.iter().for_each(|value| copy.append_option(value));
            Ok(Arc::new(copy.finish()))
        }
        DataType::Binary => {
            let mut copy = BinaryBuilder::new();
            array.as_binary::<i32>().iter().for_each(|value| copy.append_option(value));
            Ok(Arc::new(copy.finish()))
        }
        data_type if is_plain(data_type) && array.offset() == 0 && array.null_count() == 0 => {
            Ok(Arc::clone(array))
        }
        DataType::Boolean => Ok(Arc::new(array.as_boolean().iter().collect::<BooleanArray>())),
        DataType::Int64 => Ok(rebuild::<Int64Type>(array)),
        DataType::Float64 => Ok(rebuild::<Float64Type>(array)),
        DataType::Decimal128(..) => Ok(rebuild::<Decimal128Type>(array)),
        DataType::Date32 => Ok(rebuild::<Date32Type>(array)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(rebuild::<TimestampMicrosecondType>(array))
        }
        DataType::Null => Ok(Arc::clone(array)),
        // No table has other types; one that slipped in must not pass unseen.
        other => Err(DataFusionError::Internal(format!("no scrub for {other}"))),
    }
}

/// Whether a column of this type is one buffer of values of equal size.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_primitive() || *data_type == DataType::Boolean
}

/// A copy whose slots below nulls are zero.
fn rebuild<T: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef {
    let copy: PrimitiveArray<T> = array.as_primitive::<T>().iter().collect();
    Arc::new(copy.with_data_type(array.data_type().clone()))
}

fn exact_bytes(bytes: usize, offsets: &[i32]) -> bool {
    offsets.first() == Some(&0)
        && offsets.last().and_then(|last| usize::try_from(*last).ok()) == Some(bytes)
}

fn nulls_are_empty(text: &arrow::array::StringArray) -> bool {
    text.null_count() == 0
        || (0..text.len()).all(|at| text.is_valid(at) || text.value_length(at) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use arrow::buffer::NullBuffer;

    fn bytes_of(array: &ArrayRef) -> Vec<u8> {
        let data = array.to_data();
        data.buffers().iter().flat_map(|buffer| buffer.as_slice().to_vec()).collect()
    }

    fn holds(array: &ArrayRef, needle: &[u8]) -> bool {
        bytes_of(array).windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn a_slice_leaves_its_neighbours_behind() {
        let whole: ArrayRef = Arc::new(StringArray::from(vec!["canary", "kept"]));
        let slice = whole.slice(1, 1);
        assert!(holds(&slice, b"canary"));
        let clean = scrub(&slice).unwrap();
        assert_eq!(&clean, &slice);
        assert!(!holds(&clean, b"canary"));
    }

    #[test]
    fn a_null_has_no_value_below_it() {
        let text = StringArray::from(vec!["canary", "kept"]);
        let (offsets, values, _) = text.into_parts();
        let nulls = NullBuffer::from(vec![false, true]);
        let hidden: ArrayRef = Arc::new(StringArray::new(offsets, values, Some(nulls.clone())));
        assert!(!holds(&scrub(&hidden).unwrap(), b"canary"));
        let number = i64::from_le_bytes(*b"canaries");
        let numbers: ArrayRef = Arc::new(Int64Array::new(vec![number, 1].into(), Some(nulls)));
        let clean = scrub(&numbers).unwrap();
        assert_eq!(&clean, &numbers);
        assert!(!holds(&clean, b"canaries"));
    }
}
