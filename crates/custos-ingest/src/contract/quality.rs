//! Rules on a column's values.

use chrono_tz::Tz;

use super::fields::{Fields, Problems};
use super::node::Node;
use super::{LogicalType, Range};
use crate::row::{MomentFormat, Value, parse_text};

const KEYS: [&str; 6] = ["rule", "min", "max", "values", "name", "description"];

/// What the rules of a column allow.
#[derive(Default)]
pub(super) struct Quality {
    pub(super) range: Option<Range>,
    pub(super) accepted_values: Option<Vec<Value>>,
}

/// How rules read the values they name.
pub(super) struct ValueForm<'a> {
    pub(super) logical_type: LogicalType,
    pub(super) moment: &'a MomentFormat,
}

/// Reads the list of rules.
pub(super) fn quality(node: &Node, form: &ValueForm<'_>, problems: &mut Problems) -> Quality {
    let mut quality = Quality::default();
    for item in node.list("quality", problems) {
        let Some(fields) = Fields::read(item, "a rule", &KEYS, problems) else {
            continue;
        };
        let Some(rule) = fields.need("rule", "write `rule: range`", problems) else {
            continue;
        };
        match rule.choice("rule", &[("range", true), ("accepted_values", false)], problems) {
            Some(true) if quality.range.is_none() => {
                quality.range = range(&fields, form, problems);
            }
            Some(false) if quality.accepted_values.is_none() => {
                quality.accepted_values = accepted_values(&fields, form, problems);
            }
            Some(_) => problems.add(rule.at, "the column has this rule twice", "keep one of them"),
            None => {}
        }
    }
    quality
}

fn range(fields: &Fields<'_>, form: &ValueForm<'_>, problems: &mut Problems) -> Option<Range> {
    if !matches!(
        form.logical_type,
        LogicalType::Integer | LogicalType::Float | LogicalType::Decimal { .. }
    ) {
        problems.add(fields.at, "a range needs a column of numbers", "leave the rule out");
        return None;
    }
    refuse(fields, &["values"], problems);
    let min = fields.find("min").and_then(|node| value(node, form, problems));
    let max = fields.find("max").and_then(|node| value(node, form, problems));
    if fields.find("min").is_none() && fields.find("max").is_none() {
        problems.add(fields.at, "the range has no bound", "write `min`, `max` or both");
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && min.compare_number(max).is_some_and(std::cmp::Ordering::is_gt)
    {
        problems.add(fields.at, "`min` is above `max`", "exchange them");
    }
    Some(Range { min, max })
}

fn accepted_values(
    fields: &Fields<'_>,
    form: &ValueForm<'_>,
    problems: &mut Problems,
) -> Option<Vec<Value>> {
    refuse(fields, &["min", "max"], problems);
    if form.logical_type == LogicalType::Timestamp {
        problems.add(fields.at, "instants cannot be listed", "leave the rule out");
        return None;
    }
    let node = fields.need("values", "write `values: [a, b]`", problems)?;
    let items = node.list("values", problems);
    Some(items.iter().filter_map(|item| value(item, form, problems)).collect())
}

fn refuse(fields: &Fields<'_>, keys: &[&str], problems: &mut Problems) {
    for key in keys {
        if let Some(node) = fields.find(key) {
            problems.add(node.at, format!("`{key}` belongs to another rule"), "leave it out");
        }
    }
}

fn value(node: &Node, form: &ValueForm<'_>, problems: &mut Problems) -> Option<Value> {
    let text = match form.logical_type {
        LogicalType::String => node.text("value", problems)?.to_owned(),
        _ => node.value.scalar().unwrap_or_default(),
    };
    match parse_text(form.logical_type, form.moment, Tz::UTC, &text) {
        Ok(value) if !value.is_null() => Some(value),
        _ => {
            problems.add(
                node.at,
                "this is no value of the column's type",
                "write it as the files do",
            );
            None
        }
    }
}
