//! The types that parameters may have.

use custos_query::pg_type::oid;

/// A type of single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
}

/// A single value, or an array of one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(Kind),
    List(Kind),
}

impl Shape {
    pub(super) const fn of(oid: u32) -> Option<Self> {
        if let Some(kind) = Kind::of(oid) {
            return Some(Self::Scalar(kind));
        }
        Some(Self::List(match oid {
            199 => Kind::Json,
            1000 => Kind::Bool,
            1001 => Kind::Bytea,
            // Of name, text, bpchar and varchar.
            1002 | 1003 | 1009 | 1014 | 1015 => Kind::Text,
            1005 => Kind::Int2,
            // Of integer and of oid.
            1007 | 1028 => Kind::Int4,
            1016 => Kind::Int8,
            1021 => Kind::Float4,
            1022 => Kind::Float8,
            1115 => Kind::Timestamp,
            1182 => Kind::Date,
            1183 => Kind::Time,
            1185 => Kind::Timestamptz,
            1187 => Kind::Interval,
            1231 => Kind::Numeric,
            2951 => Kind::Uuid,
            3807 => Kind::Jsonb,
            _ => return None,
        }))
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Scalar(kind) | Self::List(kind) => kind,
        }
    }
}

impl Kind {
    /// The kind of a type; a parameter of which no type is said is text.
    pub(super) const fn of(oid: u32) -> Option<Self> {
        Some(match oid {
            oid::BOOL => Self::Bool,
            oid::INT2 => Self::Int2,
            // An oid is shown as an integer everywhere here.
            oid::INT4 | 26 => Self::Int4,
            oid::INT8 => Self::Int8,
            oid::FLOAT4 => Self::Float4,
            oid::FLOAT8 => Self::Float8,
            oid::NUMERIC => Self::Numeric,
            0 | 18 | oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN => {
                Self::Text
            }
            oid::BYTEA => Self::Bytea,
            oid::DATE => Self::Date,
            oid::TIME => Self::Time,
            oid::TIMESTAMP => Self::Timestamp,
            oid::TIMESTAMPTZ => Self::Timestamptz,
            oid::INTERVAL => Self::Interval,
            oid::UUID => Self::Uuid,
            oid::JSON => Self::Json,
            oid::JSONB => Self::Jsonb,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
        }
    }
}
