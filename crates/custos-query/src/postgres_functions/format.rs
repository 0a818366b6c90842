//! `format`: texts put into a text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::QueryError;

use super::Function;

/// What one call may make of one row, in bytes: a pattern may name a long argument often.
const VALUE_MAX: usize = 16 << 20;

pub(super) fn function() -> Arc<ScalarUDF> {
    let takes = |given: &[DataType]| (!given.is_empty()).then(|| vec![DataType::Utf8; given.len()]);
    Function::make("format", takes, |_| DataType::Utf8, |args| formatted(&args))
}

fn formatted(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let [patterns, values @ ..] = &arrays[..] else {
        return Ok(ColumnarValue::Scalar(DataType::Utf8.try_into()?));
    };
    let patterns: &StringArray = patterns.as_string();
    let values: Vec<&StringArray> = values.iter().map(|array| array.as_string()).collect();
    let mut made = StringBuilder::new();
    for row in 0..patterns.len() {
        if patterns.is_null(row) {
            made.append_null();
            continue;
        }
        let value = |at: usize| -> Option<Option<&str>> {
            let array = values.get(at)?;
            Some(array.is_valid(row).then(|| array.value(row)))
        };
        made.append_value(filled(patterns.value(row), &value)?);
    }
    Ok(ColumnarValue::Array(Arc::new(made.finish()) as ArrayRef))
}

/// The pattern with values in the places that it names, in turn or by their number, from 0 in
/// `value`. A place is `%`, perhaps a number and `$`, and `s` for a text as it is, `I` for an
/// identifier, or `L` for a literal.
fn filled<'a>(pattern: &str, value: &dyn Fn(usize) -> Option<Option<&'a str>>) -> Result<String> {
    let (mut made, mut rest, mut next) = (String::with_capacity(pattern.len()), pattern, 0);
    while let Some((before, after)) = rest.split_once('%') {
        made.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            made.push('%');
            rest = after;
            continue;
        }
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, mut after) = after.split_at(digits);
        if !number.is_empty() {
            let Some(numbered) = after.strip_prefix('$') else {
                return refused("it knows no widths");
            };
            let Some(at) = number.parse::<usize>().ok().and_then(|at| at.checked_sub(1)) else {
                return refused("arguments are numbered from 1");
            };
            (after, next) = (numbered, at);
        }
        let Some(value) = value(next) else {
            return refused("there are too few of them");
        };
        next += 1;
        let mut signs = after.chars();
        match (signs.next(), value) {
            (Some('s'), value) => made.push_str(value.unwrap_or_default()),
            (Some('I'), Some(name)) => made.push_str(&identifier(name)),
            (Some('I'), None) => return refused("a NULL is no identifier"),
            (Some('L'), value) => {
                made.push_str(&value.map_or_else(|| "NULL".to_owned(), literal));
            }
            _ => return refused("a place is %s, %I or %L"),
        }
        rest = signs.as_str();
        if made.len() > VALUE_MAX {
            return Err(QueryError::TooLarge.into_engine());
        }
    }
    made.push_str(rest);
    Ok(made)
}

/// A name as statements write it: in quotes unless it is a plain word in lower case.
fn identifier(name: &str) -> String {
    let is_plain = |(at, c): (usize, char)| {
        c.is_ascii_lowercase() || c == '_' || (at > 0 && c.is_ascii_digit())
    };
    match !name.is_empty() && name.char_indices().all(is_plain) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A text as statements write it.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

fn refused<T>(what: &'static str) -> Result<T> {
    Err(QueryError::Argument { function: "format", what }.into_engine())
}
