use std::sync::Arc;

use arrow::datatypes::{Field, Fields, TimeUnit};

use super::*;

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

#[test]
fn types_have_their_oid_and_size() {
    for (data_type, oid, size) in [
        (DataType::Boolean, 16, 1),
        (DataType::UInt8, 21, 2),
        (DataType::UInt16, 23, 4),
        (DataType::UInt32, 20, 8),
        (DataType::UInt64, 1700, -1),
        (DataType::Float16, 700, 4),
        (DataType::Float64, 701, 8),
        (DataType::Utf8View, 25, -1),
        (DataType::Null, 25, -1),
        (DataType::FixedSizeBinary(3), 17, -1),
        (DataType::Date64, 1082, 4),
        (DataType::Time32(TimeUnit::Second), 1083, 8),
        (DataType::Timestamp(TimeUnit::Nanosecond, None), 1114, 8),
        (DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), 1184, 8),
        (DataType::Duration(TimeUnit::Second), 1186, 16),
        (DataType::Struct(Fields::empty()), 114, -1),
        (list(DataType::Int64), 1016, -1),
        (list(DataType::Struct(Fields::empty())), 114, -1),
        (list(list(DataType::Int64)), 114, -1),
        (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int32)), 23, 4),
    ] {
        assert_eq!(PgType::of(&data_type), PgType { oid, size, modifier: -1 }, "{data_type}");
    }
}

#[test]
fn numerics_have_precision_and_scale() {
    assert_eq!(PgType::of(&DataType::Decimal128(12, 2)).modifier, (12 << 16 | 2) + 4);
    assert_eq!(PgType::of(&list(DataType::Decimal256(40, 0))).modifier, (40 << 16) + 4);
    // What PostgreSQL 15 keeps of numeric(5,-2).
    assert_eq!(PgType::of(&DataType::Decimal128(5, -2)).modifier, 329_730);
}
