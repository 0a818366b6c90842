use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::IntervalMonthDayNano;
use proptest::prelude::*;

use super::*;
use custos_query::pg_type::PgType;

/// Encodes a value and reads it back, in both formats.
#[track_caller]
fn there_and_back(array: impl Array + 'static) {
    let array: ArrayRef = Arc::new(array);
    for format in [Format::Text, Format::Binary] {
        let oid = PgType::of(array.data_type()).oid;
        let bytes = encoded(&array, format);
        let back = decode(oid, format, bytes.as_deref(), ZONE).unwrap();
        assert_eq!(&back, &array, "{format:?}");
    }
}

fn list(items: impl Array + 'static) -> ListArray {
    let field = Field::new_list_field(items.data_type().clone(), true);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([items.len()]);
    ListArray::new(Arc::new(field), offsets, Arc::new(items), None)
}

use arrow::datatypes::Field;

const MIN_MICROS: i64 = -210_866_803_200_000_000;

proptest! {
    #[test]
    fn integers(a in any::<i16>(), b in any::<i32>(), c in any::<i64>(), d in any::<bool>()) {
        there_and_back(Int16Array::from(vec![a]));
        there_and_back(Int32Array::from(vec![b]));
        there_and_back(Int64Array::from(vec![c]));
        there_and_back(BooleanArray::from(vec![d]));
    }

    #[test]
    fn floats(a in any::<f32>(), b in any::<f64>(), bits in any::<u64>()) {
        there_and_back(Float32Array::from(vec![a]));
        there_and_back(Float64Array::from(vec![b]));
        let any = f64::from_bits(bits);
        there_and_back(Float64Array::from(vec![if any.is_nan() { 0.0 } else { any }]));
    }

    #[test]
    fn numerics(number in any::<i128>(), shift in 0..127_u32, scale in 0..38_i8) {
        let number = (number >> shift) % 10_i128.pow(38);
        let values = Decimal128Array::from(vec![number]).with_precision_and_scale(38, scale);
        let array: ArrayRef = Arc::new(values.unwrap());
        for format in [Format::Text, Format::Binary] {
            let back = decode(1700, format, encoded(&array, format).as_deref(), ZONE).unwrap();
            let back = back.as_any().downcast_ref::<Decimal128Array>().unwrap();
            prop_assert_eq!((back.value(0), back.scale()), (number, scale));
        }
    }

    #[test]
    fn texts_and_bytes(text in "[^\0]{0,20}", bytes in any::<Vec<u8>>()) {
        there_and_back(StringArray::from(vec![text]));
        there_and_back(BinaryArray::from(vec![bytes.as_slice()]));
    }

    #[test]
    fn dates_and_times(
        days in -2_440_588..2_145_042_906_i32,
        time in 0..=86_400_000_000_i64,
        micros in MIN_MICROS..i64::MAX,
    ) {
        there_and_back(Date32Array::from(vec![days]));
        there_and_back(Time64MicrosecondArray::from(vec![time]));
        there_and_back(TimestampMicrosecondArray::from(vec![micros]));
        there_and_back(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"));
    }

    #[test]
    fn intervals(months in any::<i32>(), days in any::<i32>(), micros in -9_223_372_036_854_775..9_223_372_036_854_775_i64) {
        let value = IntervalMonthDayNano::new(months, days, micros * 1_000);
        there_and_back(IntervalMonthDayNanoArray::from(vec![value]));
    }

    #[test]
    fn arrays(
        texts in proptest::collection::vec(proptest::option::of("[^\0]{0,6}|[{}\",\\\\ a]{0,4}|null"), 0..5),
        numbers in proptest::collection::vec(proptest::option::of(any::<i32>()), 0..5),
        micros in proptest::collection::vec(proptest::option::of(MIN_MICROS..i64::MAX), 0..5),
    ) {
        there_and_back(list(StringArray::from(texts)));
        there_and_back(list(Int32Array::from(numbers)));
        there_and_back(list(TimestampMicrosecondArray::from(micros).with_timezone("UTC")));
    }
}
