//! The types that columns have, as JDBC and ODBC know them.

use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType};

use super::refusal::Refusal;

/// A type and its size: digits of numbers, characters of others.
type Kind = (&'static str, XdbcDataType, Option<i32>);

const NUMBERS: [Kind; 6] = [
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(5)),
    ("INTEGER", XdbcDataType::XdbcInteger, Some(10)),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(19)),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(38)),
    ("REAL", XdbcDataType::XdbcReal, Some(7)),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(15)),
];

const OTHERS: [Kind; 6] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1)),
    ("VARCHAR", XdbcDataType::XdbcVarchar, None),
    ("BYTEA", XdbcDataType::XdbcVarbinary, None),
    ("DATE", XdbcDataType::XdbcDate, Some(10)),
    ("TIME", XdbcDataType::XdbcTime, Some(15)),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(29)),
];

/// All types.
pub(super) fn types() -> Result<XdbcTypeInfoData, Refusal> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, data_type, size) in NUMBERS {
        types.append(XdbcTypeInfo {
            unsigned_attribute: Some(false),
            num_prec_radix: Some(10),
            ..kind(name, data_type, size, None)
        });
    }
    for (name, data_type, size) in OTHERS {
        let quote = (name != "BOOLEAN").then(|| "'".to_owned());
        types.append(kind(name, data_type, size, quote));
    }
    types.build().map_err(|_| Refusal::Encode)
}

fn kind(
    name: &str,
    data_type: XdbcDataType,
    column_size: Option<i32>,
    quote: Option<String>,
) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        column_size,
        literal_prefix: quote.clone(),
        literal_suffix: quote,
        create_params: (name == "DECIMAL").then(|| vec!["precision".into(), "scale".into()]),
        nullable: Nullable::NullabilityNullable,
        case_sensitive: name == "VARCHAR",
        searchable: Searchable::Full,
        local_type_name: Some(name.to_owned()),
        sql_data_type: data_type,
        ..XdbcTypeInfo::default()
    }
}
