//! One cell, from text to a checked value.

use std::cmp::Ordering;

use chrono_tz::Tz;

use super::{MomentFormat, RowFault, Value, number};
use crate::contract::{Column, LogicalType};

/// Reads a cell's text as a value of the given type.
///
/// Empty text is null, and so is blank text unless the column holds text. Blanks around numbers,
/// dates and truth values do not count.
pub(crate) fn parse_text(
    logical_type: LogicalType,
    moment: &MomentFormat,
    zone: Tz,
    text: &str,
) -> Result<Value, RowFault> {
    let text = if logical_type == LogicalType::String { text } else { text.trim() };
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match logical_type {
        LogicalType::String => Ok(Value::Text(text.to_owned())),
        LogicalType::Integer => {
            number::integer(text).map(Value::Integer).ok_or(RowFault::BadNumber)
        }
        LogicalType::Float => number::float(text).map(Value::Float).ok_or(RowFault::BadNumber),
        LogicalType::Decimal { precision, scale } => {
            number::decimal(text, precision, scale).map(Value::Decimal).ok_or(RowFault::BadNumber)
        }
        LogicalType::Boolean => boolean(text).map(Value::Boolean).ok_or(RowFault::BadBoolean),
        LogicalType::Date => moment.date(text).map(Value::Date).ok_or(RowFault::BadDate),
        LogicalType::Timestamp => {
            moment.timestamp(text, zone).map(Value::Timestamp).ok_or(RowFault::BadDate)
        }
    }
}

/// Checks a value against what its column requires.
pub(crate) fn check_value(column: &Column, value: &Value) -> Result<(), RowFault> {
    if value.is_null() {
        return if column.required { Err(RowFault::MissingValue) } else { Ok(()) };
    }
    if let Some(range) = &column.range {
        let below = passes(range.min.as_ref(), value, Ordering::Less);
        let above = passes(range.max.as_ref(), value, Ordering::Greater);
        if below || above {
            return Err(RowFault::OutOfRange);
        }
    }
    match &column.accepted_values {
        Some(accepted) if !accepted.contains(value) => Err(RowFault::NotAccepted),
        _ => Ok(()),
    }
}

/// Whether the value lies on the given side of a bound.
fn passes(bound: Option<&Value>, value: &Value, side: Ordering) -> bool {
    bound.is_some_and(|bound| value.compare_number(bound) == Some(side))
}

fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "yes", "1", "t", "y"]) {
        Some(true)
    } else if is_one_of(["false", "no", "0", "f", "n"]) {
        Some(false)
    } else {
        None
    }
}
