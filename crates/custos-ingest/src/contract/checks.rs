//! What the parts of a contract require of each other.

use std::collections::HashMap;

use super::column::Property;
use super::fields::{Problems, suggestion};
use super::node::{Node, Place};
use super::resolve::Draft;
use super::{Column, Format, Header, LogicalType, Unattributed, WriteMode};

impl<'a> Draft<'a> {
    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.properties.iter().filter_map(|property| property.column.as_ref())
    }

    /// The property that a node names.
    fn refer(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<usize> {
        let name = node.text(what, problems)?;
        let found = self.properties.iter().position(|property| property.name == Some(name));
        if found.is_none() {
            let names: Vec<&str> =
                self.properties.iter().filter_map(|property| property.name).collect();
            problems.add(node.at, format!("there is no column `{name}`"), suggestion(name, &names));
        }
        found
    }

    fn column(&self, index: usize) -> Option<&Column> {
        self.properties.get(index)?.column.as_ref()
    }
}

/// The places of the key's columns.
pub(super) fn record_key(draft: &Draft<'_>, problems: &mut Problems) -> Vec<usize> {
    let Some(node) = draft.custos.find("record_key") else {
        return Vec::new();
    };
    let items = node.list("record_key", problems);
    let mut key = Vec::new();
    for item in items {
        let Some(index) = draft.refer(item, "record_key", problems) else {
            continue;
        };
        if key.contains(&index) {
            problems.add(item.at, "the column is there twice", "keep one of them");
            continue;
        }
        key.push(index);
        let Some(column) = draft.column(index) else {
            continue;
        };
        if !column.required {
            let message = format!("the key column `{}` may be null", column.name);
            problems.add(item.at, message, "write `required: true` at the property");
        }
        if column.logical_type == LogicalType::Float {
            let message = format!("the key column `{}` is a floating-point number", column.name);
            problems.add(item.at, message, "make it a string, an integer or a decimal(p,s)");
        }
    }
    key
}

/// The place of the column that orders versions of a row.
pub(super) fn version_column(
    draft: &Draft<'_>,
    write_mode: Option<WriteMode>,
    problems: &mut Problems,
) -> Option<usize> {
    let node = draft.custos.find("version_column");
    if write_mode == Some(WriteMode::Upsert) {
        let at = draft.custos.find("write_mode").map_or(draft.custos.at, |node| node.at);
        if draft.custos.find("record_key").is_none() {
            let remedy = "name the columns that tell rows apart, or write `write_mode: append`";
            problems.add(at, "upsert needs a `record_key`", remedy);
        }
        if node.is_none() {
            let remedy = "name the column that says which of two rows is newer";
            problems.add(at, "upsert needs a `version_column`", remedy);
        }
    }
    let node = node?;
    if write_mode == Some(WriteMode::Append) {
        problems.add(
            node.at,
            "`version_column` has no meaning for append",
            "leave it out, or write `write_mode: upsert`",
        );
    }
    let index = draft.refer(node, "version_column", problems)?;
    let orders = |column: &Column| {
        matches!(column.logical_type, LogicalType::Timestamp | LogicalType::Integer)
    };
    if draft.column(index).is_some_and(|column| !orders(column)) {
        problems.add(
            node.at,
            "`version_column` is neither a timestamp nor an integer",
            "name a column that grows with every change of a row",
        );
    }
    Some(index)
}

/// The place of the column that says when it happened.
pub(super) fn event_time(draft: &Draft<'_>, problems: &mut Problems) -> Option<usize> {
    let remedy = "name a column of dates or timestamps, or write `event_time: none`";
    let node = draft.custos.need("event_time", remedy, problems)?;
    let is_none = node.value.scalar().as_deref() == Some("none");
    if is_none && !draft.properties.iter().any(|property| property.name == Some("none")) {
        return None;
    }
    let index = draft.refer(node, "event_time", problems)?;
    let is_moment =
        |column: &Column| matches!(column.logical_type, LogicalType::Timestamp | LogicalType::Date);
    if draft.column(index).is_some_and(|column| !is_moment(column)) {
        problems.add(node.at, "`event_time` is neither a date nor a timestamp", remedy);
    }
    Some(index)
}

/// The place of the column that says when the person whom a row is about was born.
pub(super) fn birth(draft: &Draft<'_>, problems: &mut Problems) -> Option<usize> {
    let node = draft.custos.find("birth")?;
    let index = draft.refer(node, "birth", problems)?;
    let tells = |column: &Column| {
        let year = LogicalType::Integer;
        [LogicalType::Date, LogicalType::Timestamp, year].contains(&column.logical_type)
    };
    if draft.column(index).is_some_and(|column| !tells(column)) {
        let remedy = "name a column of dates, or one of years as integers";
        problems.add(node.at, "`birth` is neither a date nor a year", remedy);
    }
    Some(index)
}

/// Checks the columns against each other and against the format.
pub(super) fn check(
    draft: &Draft<'_>,
    format: Option<&Format>,
    unattributed: Unattributed,
    problems: &mut Problems,
) {
    check_names(&draft.properties, problems);
    check_sources(draft, format, problems);
    check_positions(draft, format, problems);
    check_identifiers(draft, unattributed, problems);
    check_zones(draft, problems);
}

fn check_names(properties: &[Property<'_>], problems: &mut Problems) {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for property in properties {
        let Some(name) = property.name else { continue };
        if let Some(first) = seen.insert(name, property.node.at) {
            let message = format!("the column `{name}` is also on line {}", first.line);
            problems.add(property.node.at, message, "give every column a name of its own");
        }
    }
}

/// Two columns must not be read from one place, nor one from inside another.
fn check_sources(draft: &Draft<'_>, format: Option<&Format>, problems: &mut Problems) {
    let is_json = matches!(format, Some(Format::Ndjson(_)));
    let columns: Vec<&Column> = draft.columns().collect();
    for (index, column) in columns.iter().enumerate() {
        if column.source_name.is_empty()
            || (is_json && column.source_name.split('.').any(str::is_empty))
        {
            let message = format!("`{}` is no source of a column", column.source_name);
            problems.add(column.at, message, "write the name in the file as `physicalName`");
        }
        for other in columns.iter().take(index).filter(|other| other.name != column.name) {
            let same = other.source_name == column.source_name;
            let inside = is_inside(&column.source_name, &other.source_name)
                || is_inside(&other.source_name, &column.source_name);
            if same || (is_json && inside) {
                let message =
                    format!("`{}` and `{}` are read from one place", other.name, column.name);
                problems.add(column.at, message, "give each a `physicalName` of its own");
            }
        }
    }
}

fn is_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// Positions are for files without header, for all columns or none, each once.
fn check_positions(draft: &Draft<'_>, format: Option<&Format>, problems: &mut Problems) {
    let placed: Vec<(usize, &Column)> =
        draft.columns().filter_map(|column| Some((column.position?, column))).collect();
    let by_position = matches!(format, Some(Format::Csv(csv)) if csv.header == Header::Positions);
    if !by_position {
        if format.is_some() {
            for (_, column) in placed {
                let remedy = "leave it out, or write `header: false` in the format";
                problems.add(column.at, "`position` is for files without header", remedy);
            }
        }
        return;
    }
    if placed.is_empty() {
        return;
    }
    for column in draft.columns().filter(|column| column.position.is_none()) {
        let message = format!("`{}` has no `position`, but others have", column.name);
        problems.add(column.at, message, "give every column its position, or none");
    }
    for (index, (position, column)) in placed.iter().enumerate() {
        if placed.iter().take(index).any(|(other, _)| other == position) {
            let message = format!("position {} is taken", position + 1);
            problems.add(column.at, message, "give every column a place of its own");
        }
    }
}

/// A row is about one person, and every other person in it has a role.
fn check_identifiers(draft: &Draft<'_>, unattributed: Unattributed, problems: &mut Problems) {
    let mut seen: Vec<&Column> = Vec::new();
    for column in draft.columns() {
        let Some(identifier) = &column.identifier else {
            continue;
        };
        let same = |other: &&&Column| {
            other.identifier.as_ref().is_some_and(|other| {
                (other.kind, &other.scope, &other.role)
                    == (identifier.kind, &identifier.scope, &identifier.role)
            })
        };
        if let Some(first) = seen.iter().find(same) {
            let role = identifier.role.as_deref().unwrap_or("primary");
            problems.add(
                column.at,
                format!(
                    "`{}` and `{}` are both the {role} {}",
                    first.name, column.name, identifier.kind
                ),
                "give one of them another `role`",
            );
        }
        seen.push(column);
    }
    let complete = draft.properties.iter().all(|property| property.column.is_some());
    let finds_subject = |column: &&Column| {
        let spec = column.identifier.as_ref();
        spec.is_some_and(|spec| spec.role.is_none() && spec.kind.links())
    };
    if complete
        && !draft.properties.is_empty()
        && unattributed == Unattributed::Hidden
        && !seen.iter().any(finds_subject)
    {
        problems.add(
            draft.custos.at,
            "no column says whom a row is about, and rows about nobody are hidden",
            "mark an identifier without `role`, or write `unattributed: visible`",
        );
    }
}

/// Local times need a zone.
fn check_zones(draft: &Draft<'_>, problems: &mut Problems) {
    if draft.custos.find("time_zone").is_some() {
        return;
    }
    for column in draft.columns() {
        if column.logical_type == LogicalType::Timestamp && !column.moment.has_zone() {
            problems.add(
                column.at,
                format!("`{}` holds local times, but the contract has no `time_zone`", column.name),
                "write `time_zone: Asia/Shanghai` or what applies",
            );
        }
    }
}
