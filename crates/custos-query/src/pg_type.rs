//! Which PostgreSQL type stands for an Arrow type.

use arrow::datatypes::{DataType, Field};

#[cfg(test)]
mod tests;

/// The key of a field's metadata that says which of PostgreSQL's own types it has in the system
/// catalogue (`oid`, `regproc` and their like), as the catalogue's tables come with it.
pub(crate) const ALIAS: &str = "pg.oid_alias";

/// The key of a field's metadata that says that its values were computed.
pub(crate) const COMPUTED: &str = "custos.computed";

/// The object ids of the types that are named here, as `pg_type` has them in every installation.
pub mod oid {
    /// `bool`.
    pub const BOOL: u32 = 16;
    /// `bytea`.
    pub const BYTEA: u32 = 17;
    /// `name`.
    pub const NAME: u32 = 19;
    /// `int8`.
    pub const INT8: u32 = 20;
    /// `int2`.
    pub const INT2: u32 = 21;
    /// `int4`.
    pub const INT4: u32 = 23;
    /// `text`.
    pub const TEXT: u32 = 25;
    /// `json`.
    pub const JSON: u32 = 114;
    /// `float4`.
    pub const FLOAT4: u32 = 700;
    /// `float8`.
    pub const FLOAT8: u32 = 701;
    /// `unknown`.
    pub const UNKNOWN: u32 = 705;
    /// `bpchar`.
    pub const BPCHAR: u32 = 1042;
    /// `varchar`.
    pub const VARCHAR: u32 = 1043;
    /// `date`.
    pub const DATE: u32 = 1082;
    /// `time`.
    pub const TIME: u32 = 1083;
    /// `timestamp`.
    pub const TIMESTAMP: u32 = 1114;
    /// `timestamptz`.
    pub const TIMESTAMPTZ: u32 = 1184;
    /// `interval`.
    pub const INTERVAL: u32 = 1186;
    /// `numeric`.
    pub const NUMERIC: u32 = 1700;
    /// `uuid`.
    pub const UUID: u32 = 2950;
    /// `jsonb`.
    pub const JSONB: u32 = 3802;
}

/// A PostgreSQL type, as a row description tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// Its object id.
    pub oid: u32,
    /// Bytes of a value (`typlen`), -1 if they vary.
    pub size: i16,
    /// Precision and scale of a numeric, packed as PostgreSQL does; -1 if there is none.
    pub modifier: i32,
}

impl PgType {
    /// The type in which values of a column are sent.
    pub fn of_field(field: &Field) -> Self {
        let own = |oid, size| Self { oid, size, modifier: -1 };
        match field.metadata().get(ALIAS).map(String::as_str) {
            Some("char") => own(18, 1),
            Some("name") => own(oid::NAME, 64),
            Some("regproc") => own(24, 4),
            Some("oid") => own(26, 4),
            Some("regclass") => own(2205, 4),
            Some("regtype") => own(2206, 4),
            Some("regnamespace") => own(4089, 4),
            Some("oids") => own(1028, -1),
            _ if field.metadata().contains_key(COMPUTED) => {
                Self { modifier: -1, ..Self::of(field.data_type()) }
            }
            _ => Self::of(field.data_type()),
        }
    }

    /// The type in which values of an Arrow type are sent.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                Self { modifier: numeric_modifier(*precision, *scale), ..Self::plain(oid::NUMERIC) }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => {
                let item = Self::of_field(item);
                match array_of(item.oid) {
                    Some(oid) => Self { modifier: item.modifier, ..Self::plain(oid) },
                    None => Self::plain(oid::JSON),
                }
            }
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::RunEndEncoded(_, values) => Self::of(values.data_type()),
            scalar => Self::plain(scalar_oid(scalar)),
        }
    }

    const fn plain(oid: u32) -> Self {
        let size = match oid {
            oid::BOOL => 1,
            oid::INT2 => 2,
            oid::INT4 | oid::FLOAT4 | oid::DATE => 4,
            oid::INT8 | oid::FLOAT8 | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => 8,
            oid::INTERVAL => 16,
            _ => -1,
        };
        Self { oid, size, modifier: -1 }
    }
}

/// The oid of the arrays of a type, if there are any that we send.
pub const fn array_of(element: u32) -> Option<u32> {
    Some(match element {
        oid::BOOL => 1000,
        oid::BYTEA => 1001,
        oid::INT2 => 1005,
        oid::INT4 => 1007,
        oid::TEXT => 1009,
        oid::INT8 => 1016,
        oid::FLOAT4 => 1021,
        oid::FLOAT8 => 1022,
        oid::TIMESTAMP => 1115,
        oid::DATE => 1182,
        oid::TIME => 1183,
        oid::TIMESTAMPTZ => 1185,
        oid::INTERVAL => 1187,
        oid::NUMERIC => 1231,
        18 => 1002,
        oid::NAME => 1003,
        26 => 1028,
        _ => return None,
    })
}

const fn scalar_oid(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Boolean => oid::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => oid::INT2,
        DataType::Int32 | DataType::UInt16 => oid::INT4,
        DataType::Int64 | DataType::UInt32 => oid::INT8,
        DataType::UInt64 => oid::NUMERIC,
        DataType::Float16 | DataType::Float32 => oid::FLOAT4,
        DataType::Float64 => oid::FLOAT8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => oid::BYTEA,
        DataType::Date32 | DataType::Date64 => oid::DATE,
        DataType::Time32(_) | DataType::Time64(_) => oid::TIME,
        DataType::Timestamp(_, None) => oid::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => oid::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => oid::INTERVAL,
        DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => oid::JSON,
        _ => oid::TEXT,
    }
}

/// `((p << 16) | s) + 4`, with the scale in eleven bits as a negative one needs them.
fn numeric_modifier(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}
