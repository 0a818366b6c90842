//! What PostgreSQL calls the types that columns have here.

use crate::PgType;

/// A type by its names, with what the information schema says of its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeName {
    /// As SQL calls it.
    pub(super) sql: &'static str,
    /// As `pg_type` calls it.
    pub(super) internal: &'static str,
    /// Digits of a number, and of what base.
    pub(super) precision: Option<(i64, i64)>,
    /// Digits of a fraction of a second.
    pub(super) fraction: Option<i64>,
    /// How values lie in memory: by value, alignment, storage.
    pub(super) layout: (bool, &'static str, &'static str),
}

/// The names of a type.
pub(super) fn name(of: PgType) -> TypeName {
    let plain =
        |sql, internal, layout| TypeName { sql, internal, precision: None, fraction: None, layout };
    let word = (true, "i", "p");
    let long = (true, "d", "p");
    let extended = (false, "i", "x");
    match of.oid {
        16 => plain("boolean", "bool", (true, "c", "p")),
        17 => plain("bytea", "bytea", extended),
        18 => plain("\"char\"", "char", (true, "c", "p")),
        19 => plain("name", "name", (false, "c", "p")),
        20 => number("bigint", "int8", (64, 2), long),
        21 => number("smallint", "int2", (16, 2), (true, "s", "p")),
        23 => number("integer", "int4", (32, 2), word),
        24 => plain("regproc", "regproc", word),
        26 => plain("oid", "oid", word),
        114 => plain("json", "json", extended),
        700 => number("real", "float4", (24, 2), word),
        701 => number("double precision", "float8", (53, 2), long),
        1082 => timed("date", "date", 0, word),
        1083 => timed("time without time zone", "time", 6, long),
        1114 => timed("timestamp without time zone", "timestamp", 6, long),
        1184 => timed("timestamp with time zone", "timestamptz", 6, long),
        1186 => timed("interval", "interval", 6, (false, "d", "p")),
        1700 => plain("numeric", "numeric", (false, "i", "m")),
        1000 => plain("ARRAY", "_bool", extended),
        1001 => plain("ARRAY", "_bytea", extended),
        1003 => plain("ARRAY", "_name", extended),
        1005 => plain("ARRAY", "_int2", extended),
        1007 => plain("ARRAY", "_int4", extended),
        1009 => plain("ARRAY", "_text", extended),
        1016 => plain("ARRAY", "_int8", extended),
        1021 => plain("ARRAY", "_float4", extended),
        1022 => plain("ARRAY", "_float8", extended),
        1028 => plain("ARRAY", "_oid", extended),
        1115 => plain("ARRAY", "_timestamp", extended),
        1182 => plain("ARRAY", "_date", extended),
        1183 => plain("ARRAY", "_time", extended),
        1185 => plain("ARRAY", "_timestamptz", extended),
        1187 => plain("ARRAY", "_interval", extended),
        1231 => plain("ARRAY", "_numeric", extended),
        _ => plain("text", "text", extended),
    }
}

const fn number(
    sql: &'static str,
    internal: &'static str,
    precision: (i64, i64),
    layout: (bool, &'static str, &'static str),
) -> TypeName {
    TypeName { sql, internal, precision: Some(precision), fraction: None, layout }
}

const fn timed(
    sql: &'static str,
    internal: &'static str,
    fraction: i64,
    layout: (bool, &'static str, &'static str),
) -> TypeName {
    TypeName { sql, internal, precision: None, fraction: Some(fraction), layout }
}

/// The digits of a number with a scale, and those after its point.
pub(super) const fn scale(of: PgType) -> Option<(i64, i64)> {
    if of.oid != 1700 || of.modifier < 4 {
        return None;
    }
    let packed = of.modifier as i64 - 4;
    Some((packed >> 16, packed & 0xffff))
}

/// The collation that values of a type have: that of the database for text, else none.
pub(super) const fn collation(of: PgType) -> i64 {
    match of.oid {
        25 | 1009 => 100,
        19 | 1003 => 950,
        _ => 0,
    }
}
