//! How PostgreSQL knows the types of columns.

use arrow::datatypes::{DataType, Field};

/// The key of a field's metadata that says which of PostgreSQL's own types it has in the system
/// catalogue (`oid`, `regproc` and their like), as the catalogue's tables come with it.
pub(crate) const ALIAS: &str = "pg.oid_alias";

/// A type as PostgreSQL describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// Its number in `pg_type`.
    pub oid: u32,
    /// Bytes of a value; -1 where they vary.
    pub size: i16,
    /// What else there is to say of the type; -1 where nothing is.
    pub modifier: i32,
}

impl PgType {
    /// `text`, which all has a form as.
    pub const TEXT: Self = Self::new(25, -1);
    const JSON: Self = Self::new(114, -1);

    const fn new(oid: u32, size: i16) -> Self {
        Self { oid, size, modifier: -1 }
    }

    /// The type of a column.
    pub fn of_field(field: &Field) -> Self {
        match field.metadata().get(ALIAS).map(String::as_str) {
            Some("oid") => Self::new(26, 4),
            Some("regproc") => Self::new(24, 4),
            Some("regclass") => Self::new(2205, 4),
            Some("regtype") => Self::new(2206, 4),
            Some("regnamespace") => Self::new(4089, 4),
            Some("name") => Self::new(19, 64),
            Some("char") => Self::new(18, 1),
            _ => Self::of(field.data_type()),
        }
    }

    /// The type of values in Arrow's form.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::new(16, 1),
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::new(21, 2),
            DataType::UInt16 | DataType::Int32 => Self::new(23, 4),
            DataType::UInt32 | DataType::Int64 => Self::new(20, 8),
            DataType::UInt64 => Self::numeric(20, 0),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::numeric(*precision, *scale),
            DataType::Float16 | DataType::Float32 => Self::new(700, 4),
            DataType::Float64 => Self::new(701, 8),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::new(17, -1),
            DataType::Date32 | DataType::Date64 => Self::new(1082, 4),
            DataType::Time32(_) | DataType::Time64(_) => Self::new(1083, 8),
            DataType::Timestamp(_, None) => Self::new(1114, 8),
            DataType::Timestamp(_, Some(_)) => Self::new(1184, 8),
            DataType::Interval(_) | DataType::Duration(_) => Self::new(1186, 16),
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::TEXT
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => Self::array_of(Self::of_field(item)),
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::RunEndEncoded(_, values) => Self::of(values.data_type()),
            DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Self::JSON,
        }
    }

    /// A number with a scale, or the type for all where PostgreSQL knows none such.
    const fn numeric(precision: u8, scale: i8) -> Self {
        let modifier = match scale >= 0 && precision >= scale.unsigned_abs() {
            true => (((precision as i32) << 16) | scale as i32) + 4,
            false => -1,
        };
        Self { oid: 1700, size: -1, modifier }
    }

    /// An array of values of a type; of those that have none, their JSON.
    const fn array_of(item: Self) -> Self {
        let oid = match item.oid {
            16 => 1000,
            17 => 1001,
            18 => 1002,
            19 => 1003,
            21 => 1005,
            23 => 1007,
            20 => 1016,
            25 => 1009,
            26 => 1028,
            700 => 1021,
            701 => 1022,
            1082 => 1182,
            1083 => 1183,
            1114 => 1115,
            1184 => 1185,
            1186 => 1187,
            1700 => 1231,
            _ => return Self::JSON,
        };
        Self { oid, size: -1, modifier: item.modifier }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn types_are_those_that_postgresql_would_have_made() {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        for (data_type, oid, modifier) in [
            (DataType::Int64, 20, -1),
            (DataType::Decimal128(12, 2), 1700, (12 << 16 | 2) + 4),
            (DataType::Decimal128(12, -2), 1700, -1),
            (list(DataType::Utf8), 1009, -1),
            (list(list(DataType::Utf8)), 114, -1),
            (DataType::Struct([].into()), 114, -1),
        ] {
            let found = PgType::of(&data_type);
            assert_eq!((found.oid, found.modifier), (oid, modifier), "{data_type}");
        }
        let oid = Field::new("oid", DataType::Int32, true)
            .with_metadata([(ALIAS.to_owned(), "oid".to_owned())].into());
        assert_eq!(PgType::of_field(&oid).oid, 26);
    }
}
