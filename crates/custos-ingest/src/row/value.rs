//! A typed cell.

use std::cmp::Ordering;
use std::fmt;

use custos_core::Timestamp;

/// A cell's value. `Debug` tells its type and nothing else.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing was given.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A finite floating-point number.
    Float(f64),
    /// A decimal number times ten to the power of its column's scale.
    Decimal(i128),
    /// Yes or no.
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl Value {
    /// Whether nothing was given.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The moment that a date or instant stands for; of a date, its first in UTC.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        const DAY_MICROS: i64 = 86_400_000_000;
        match self {
            Self::Timestamp(micros) => Some(Timestamp::from_micros(*micros)),
            Self::Date(days) => Some(Timestamp::from_micros(i64::from(*days) * DAY_MICROS)),
            _ => None,
        }
    }

    /// The order of two numbers of one type; `None` for anything else.
    pub(crate) fn compare_number(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(right)),
            (Self::Decimal(left), Self::Decimal(right)) => Some(left.cmp(right)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(right),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Text(_) => "Text(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Float(_) => "Float(..)",
            Self::Decimal(_) => "Decimal(..)",
            Self::Boolean(_) => "Boolean(..)",
            Self::Date(_) => "Date(..)",
            Self::Timestamp(_) => "Timestamp(..)",
        })
    }
}
