//! From the bytes of a bound parameter to an array of one value.

mod binary;
mod datetime;
mod datum;
mod interval;
mod kind;
mod list;
mod numeric;
mod text;

use arrow::array::ArrayRef;
use chrono_tz::Tz;

use self::datum::Datum;
use self::kind::{Kind, Shape};
use super::format::Format;

#[cfg(test)]
mod tests;

/// Why a parameter could not be read. It names the type and what was expected, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    /// SQLSTATE 22P02.
    #[error("the text of a parameter of type {type_name} is not {expected}")]
    BadText { type_name: &'static str, expected: &'static str },

    /// SQLSTATE 22P03.
    #[error("the bytes of a parameter of type {type_name} are not {expected}")]
    BadBinary { type_name: &'static str, expected: &'static str },

    /// SQLSTATE 0A000.
    #[error("parameters of the type with oid {oid} are not supported")]
    UnsupportedType { oid: u32 },

    /// SQLSTATE 0A000.
    #[error("{what} is not supported as a parameter of type {type_name}")]
    UnsupportedValue { type_name: &'static str, what: &'static str },
}

impl ParameterError {
    /// The code that PostgreSQL's clients tell the kinds of errors by.
    pub(crate) const fn sqlstate(self) -> &'static str {
        match self {
            Self::BadText { .. } => "22P02",
            Self::BadBinary { .. } => "22P03",
            Self::UnsupportedType { .. } | Self::UnsupportedValue { .. } => "0A000",
        }
    }
}

/// What is wrong with a value, before it is known of which type and format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    /// It is not what is said here.
    Not(&'static str),
    /// It is what is said here.
    Unsupported(&'static str),
}

/// Reads a parameter; `None` is a null.
///
/// The array has one row. Numerics are as narrow as their digits and scale allow, `uuid` and JSON are
/// text, and instants are microseconds in UTC, those without an offset read on the wall clock of
/// `zone`.
pub(crate) fn decode(
    oid: u32,
    format: Format,
    bytes: Option<&[u8]>,
    zone: Tz,
) -> Result<ArrayRef, ParameterError> {
    let shape = Shape::of(oid).ok_or(ParameterError::UnsupportedType { oid })?;
    let kind = shape.kind();
    let array = match (shape, bytes) {
        (Shape::Scalar(_), None) => datum::array(kind, vec![None]),
        (Shape::Scalar(_), Some(bytes)) => scalar(kind, format, bytes, zone)
            .and_then(|value| datum::array(kind, vec![Some(value)])),
        (Shape::List(_), None) => datum::list(kind, None),
        (Shape::List(_), Some(bytes)) => {
            list::read(kind, format, bytes, zone).and_then(|items| datum::list(kind, Some(items)))
        }
    };
    array.map_err(|problem| match (problem, format) {
        (Problem::Not(expected), Format::Text) => {
            ParameterError::BadText { type_name: kind.name(), expected }
        }
        (Problem::Not(expected), Format::Binary) => {
            ParameterError::BadBinary { type_name: kind.name(), expected }
        }
        (Problem::Unsupported(what), _) => {
            ParameterError::UnsupportedValue { type_name: kind.name(), what }
        }
    })
}

fn scalar(kind: Kind, format: Format, bytes: &[u8], zone: Tz) -> Result<Datum, Problem> {
    match format {
        Format::Text => text::read(kind, text::utf8(bytes)?, zone),
        Format::Binary => binary::read(kind, bytes),
    }
}
