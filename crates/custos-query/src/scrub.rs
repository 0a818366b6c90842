//! Batches that carry no byte of a value that is not in them.
//!
//! Arrow arrays may share buffers that hold more than the array shows: rows that were filtered
//! out, or values below a null. Wire formats ship buffers as they are, so what leaves a governed
//! scan owns exactly its values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, BooleanArray,
    BooleanBufferBuilder, PrimitiveArray, StringViewArray, StringViewBuilder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
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
        DataType::Utf8View => Ok(Arc::new(gathered(array.as_string_view()))),
        DataType::Binary => {
            let mut copy = BinaryBuilder::new();
            array.as_binary::<i32>().iter().for_each(|value| copy.append_option(value));
            Ok(Arc::new(copy.finish()))
        }
        // Its buffer is its values, of equal size.
        data_type if data_type.is_primitive() && array.nulls().is_none() => Ok(Arc::clone(array)),
        DataType::Boolean => Ok(Arc::new(truths(array.as_boolean()))),
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

/// A copy whose slots below nulls are zero.
fn rebuild<T: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef {
    let array = array.as_primitive::<T>();
    let mut values = array.values().to_vec();
    if let Some(nulls) = array.nulls() {
        (!nulls.inner()).set_indices().for_each(|at| values[at] = T::Native::default());
    }
    let copy = PrimitiveArray::<T>::new(values.into(), array.nulls().map(copied));
    Arc::new(copy.with_data_type(array.data_type().clone()))
}

/// The same of truth values.
fn truths(array: &BooleanArray) -> BooleanArray {
    let values = match array.nulls() {
        Some(nulls) => copied_bits(&(array.values() & nulls.inner())),
        None => copied_bits(array.values()),
    };
    BooleanArray::new(values, array.nulls().map(copied))
}

/// The same nulls in a buffer that has no other bits.
fn copied(nulls: &NullBuffer) -> NullBuffer {
    NullBuffer::new(copied_bits(nulls.inner()))
}

/// The same bits in a buffer that has no others. What arrow's operators give out (version 59) has
/// those around them, too, up to the next word.
fn copied_bits(bits: &BooleanBuffer) -> BooleanBuffer {
    let mut copy = BooleanBufferBuilder::new(bits.len());
    copy.append_buffer(bits);
    copy.finish()
}

/// A copy with a buffer of its own. Always: how much memory the views of a batch hold on to must not
/// follow from whether rows beside them are hidden.
fn gathered(text: &StringViewArray) -> StringViewArray {
    if text.nulls().is_none() {
        return text.gc();
    }
    // Short values lie in the views themselves, those below nulls, too.
    let bytes = u32::try_from(text.total_buffer_bytes_used()).unwrap_or(0);
    let mut copy = StringViewBuilder::with_capacity(text.len());
    if bytes > 0 {
        copy = copy.with_fixed_block_size(bytes);
    }
    text.iter().for_each(|value| copy.append_option(value));
    copy.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    /// Too long to lie within a view.
    const CANARY: &str = "a canary that sings";

    fn bytes_of(array: &ArrayRef) -> Vec<u8> {
        let data = array.to_data();
        data.buffers().iter().flat_map(|buffer| buffer.as_slice().to_vec()).collect()
    }

    fn holds(array: &ArrayRef, needle: &[u8]) -> bool {
        bytes_of(array).windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn a_slice_leaves_its_neighbours_behind() {
        let whole: ArrayRef = Arc::new(StringViewArray::from(vec![CANARY, "kept, and as long"]));
        let slice = whole.slice(1, 1);
        assert!(holds(&slice, b"canary"));
        let clean = scrub(&slice).unwrap();
        assert_eq!(&clean, &slice);
        assert!(!holds(&clean, b"canary"));
    }

    /// Bits that are set in a buffer, be they of the array or not.
    fn bits(buffer: &[u8]) -> u32 {
        buffer.iter().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn no_bit_of_a_neighbour_is_left_beside_truth_values_and_nulls() {
        for is_null in [false, true] {
            let truths: ArrayRef =
                Arc::new((0..200).map(|_| (!is_null).then_some(true)).collect::<BooleanArray>());
            let of_some = |at: i64| (is_null == (65..70).contains(&at)).then_some(at);
            let numbers: ArrayRef = Arc::new((0..200).map(of_some).collect::<Int64Array>());
            for (start, length) in [(0, 3), (64, 3), (65, 5), (8, 1), (5, 100)] {
                let clean = scrub(&truths.slice(start, length)).unwrap();
                let clean = clean.as_boolean();
                assert_eq!(clean.true_count() as u32, bits(clean.values().values()));
                for array in [&truths, &numbers] {
                    let clean = scrub(&array.slice(start, length)).unwrap();
                    assert_eq!(&clean, &array.slice(start, length));
                    let valid = clean.nulls().map(|nulls| bits(nulls.buffer()) as usize);
                    let wanted = clean.len() - clean.null_count();
                    assert!(valid.is_none_or(|valid| valid == wanted), "{start} {length}");
                }
            }
        }
    }

    #[test]
    fn a_null_has_no_value_below_it() {
        for hidden in ["canary", CANARY] {
            let text = StringViewArray::from(vec![hidden, "kept", "kept, and as long"]);
            let (views, buffers, _) = text.into_parts();
            let nulls = NullBuffer::from(vec![false, true, true]);
            let text: ArrayRef = Arc::new(StringViewArray::new(views, buffers, Some(nulls)));
            assert!(holds(&text, b"canary"));
            let clean = scrub(&text).unwrap();
            assert_eq!(&clean, &text);
            assert!(!holds(&clean, b"canary"));
        }
        let nulls = NullBuffer::from(vec![false, true]);
        let number = i64::from_le_bytes(*b"canaries");
        let numbers: ArrayRef = Arc::new(Int64Array::new(vec![number, 1].into(), Some(nulls)));
        let clean = scrub(&numbers).unwrap();
        assert_eq!(&clean, &numbers);
        assert!(!holds(&clean, b"canaries"));
    }
}
