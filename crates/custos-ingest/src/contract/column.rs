//! One property of the schema, from YAML to a [`Column`].

use custos_core::{Assurance, ColumnKind, DataCategory, IdentifierType};

use super::fields::{Fields, Problems};
use super::node::Node;
use super::quality::{self, Quality, ValueForm};
use super::{Column, IdentifierSpec, LogicalType, resolve};
use crate::row::{MomentFormat, MomentPattern};

const KEYS: [&str; 15] = [
    "name",
    "physicalName",
    "logicalType",
    "physicalType",
    "required",
    "quality",
    "customProperties",
    "description",
    "businessName",
    "examples",
    "tags",
    "classification",
    "criticalDataElement",
    "authoritativeDefinitions",
    "id",
];

const CUSTOS_KEYS: [&str; 10] = [
    "kind",
    "type",
    "scope",
    "region",
    "role",
    "assurance",
    "category",
    "format",
    "position",
    "sensitive",
];

const KINDS: [(&str, ColumnKind); 4] = [
    ("identifier", ColumnKind::Identifier),
    ("attribute", ColumnKind::Attribute),
    ("fact", ColumnKind::Fact),
    ("content", ColumnKind::Content),
];

const ASSURANCES: [(&str, Assurance); 2] =
    [("claimed", Assurance::Claimed), ("verified", Assurance::Verified)];

/// A property as far as it could be read.
pub(super) struct Property<'a> {
    /// The node, for messages.
    pub(super) node: &'a Node,
    /// The name, even if the rest is wrong, so that it can be referred to.
    pub(super) name: Option<&'a str>,
    /// The column, unless it lacks what a column must have.
    pub(super) column: Option<Column>,
}

/// Reads one property.
pub(super) fn property<'a>(node: &'a Node, problems: &mut Problems) -> Property<'a> {
    let Some(fields) = Fields::read(node, "a property", &KEYS, problems) else {
        return Property { node, name: None, column: None };
    };
    let name = fields
        .need("name", "name the column", problems)
        .and_then(|node| node.text("name", problems));
    if let Some(name) = name {
        check_name(&fields, name, problems);
    }
    let column = column(&fields, name, problems);
    Property { node, name, column }
}

fn column(fields: &Fields<'_>, name: Option<&str>, problems: &mut Problems) -> Option<Column> {
    let custos_node = resolve::custos_value(fields, problems);
    let custos = custos_node
        .and_then(|node| Fields::read(node, "custos of a property", &CUSTOS_KEYS, problems));
    let source_name = fields.text("physicalName", problems).or(name);
    let required = fields.is_true("required", problems);
    let logical_type = logical_type(fields, problems);
    let mut draft = Column {
        name: name.unwrap_or_default().to_owned(),
        source_name: source_name.unwrap_or_default().to_owned(),
        position: None,
        logical_type: logical_type.unwrap_or(LogicalType::String),
        required,
        kind: ColumnKind::Fact,
        category: None,
        identifier: None,
        format: None,
        range: None,
        accepted_values: None,
        sensitive: false,
        moment: MomentFormat::Standard,
        at: fields.at,
    };
    if let Some(custos) = custos {
        apply_custos(&mut draft, &custos, logical_type, problems);
    }
    let logical_type = logical_type?;
    if let Some(node) = fields.find("quality") {
        let form = ValueForm { logical_type, moment: &draft.moment };
        let Quality { range, accepted_values } = quality::quality(node, &form, problems);
        draft.range = range;
        draft.accepted_values = accepted_values;
    }
    name.map(|_| draft)
}

fn check_name(fields: &Fields<'_>, name: &str, problems: &mut Problems) {
    let at = fields.find("name").map_or(fields.at, |node| node.at);
    if !resolve::is_snake(name) {
        problems.add(
            at,
            format!("`{name}` is no column name"),
            "use lower-case letters, digits and `_`, starting with a letter; the file's own name goes to `physicalName`",
        );
    } else if ["person_id", "subject_id", "rid", "extra"].contains(&name)
        || name.starts_with("rid_")
    {
        problems.add(
            at,
            format!("`{name}` is a name that Custos gives"),
            "choose another and put the file's own name into `physicalName`",
        );
    }
}

fn logical_type(fields: &Fields<'_>, problems: &mut Problems) -> Option<LogicalType> {
    let choices = [
        ("string", LogicalType::String),
        ("integer", LogicalType::Integer),
        ("number", LogicalType::Float),
        ("boolean", LogicalType::Boolean),
        ("date", LogicalType::Date),
        ("timestamp", LogicalType::Timestamp),
    ];
    let node = fields.need("logicalType", "write one, such as `logicalType: string`", problems)?;
    let text = node.text("logicalType", problems)?;
    if ["object", "array", "time"].contains(&text) {
        problems.add(
            node.at,
            format!("columns of type `{text}` are not read"),
            "list the parts by their paths in `physicalName`, or leave the property out: it is then kept in `extra`",
        );
        return None;
    }
    let logical_type = node.choice("logicalType", &choices, problems)?;
    if logical_type == LogicalType::Float { number(fields, problems) } else { Some(logical_type) }
}

/// The physical type decides between floating-point and exact numbers.
fn number(fields: &Fields<'_>, problems: &mut Problems) -> Option<LogicalType> {
    let Some(node) = fields.find("physicalType") else {
        return Some(LogicalType::Float);
    };
    let text = node.text("physicalType", problems)?.to_ascii_lowercase();
    if ["double", "double precision", "float", "float64", "real"].contains(&text.as_str()) {
        return Some(LogicalType::Float);
    }
    let number = decimal(&text);
    if number.is_none() {
        problems.add(
            node.at,
            format!("`{text}` is no type of number"),
            "write `double`, or `decimal(p,s)` with p from 1 to 38 and s from 0 to p",
        );
    }
    number
}

fn decimal(text: &str) -> Option<LogicalType> {
    let inner = text.strip_prefix("decimal").or_else(|| text.strip_prefix("numeric"))?;
    let inner = inner.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
    let precision: u8 = precision.trim().parse().ok()?;
    let scale: u8 = scale.trim().parse().ok()?;
    let fits = (1..=38).contains(&precision) && scale <= precision;
    fits.then_some(LogicalType::Decimal { precision, scale })
}

fn apply_custos(
    column: &mut Column,
    custos: &Fields<'_>,
    logical_type: Option<LogicalType>,
    problems: &mut Problems,
) {
    column.kind = custos.choice("kind", &KINDS, problems).unwrap_or(ColumnKind::Fact);
    column.category = category(custos, problems);
    column.sensitive = custos.is_true("sensitive", problems);
    column.position = position(custos, problems);
    match column.kind {
        ColumnKind::Identifier => identify(column, custos, logical_type, problems),
        ColumnKind::Attribute | ColumnKind::Fact | ColumnKind::Content => {
            for key in ["type", "scope", "region", "role", "assurance"] {
                if let Some(node) = custos.find(key) {
                    let remedy = "write `kind: identifier`, or leave it out";
                    problems.add(node.at, format!("`{key}` is for identifiers only"), remedy);
                }
            }
        }
    }
    if column.kind == ColumnKind::Content {
        check_content(column, custos, logical_type, problems);
    }
    if let (Some(node), Some(logical_type)) = (custos.find("format"), logical_type) {
        apply_format(column, node, logical_type, problems);
    }
}

fn check_content(
    column: &Column,
    custos: &Fields<'_>,
    logical_type: Option<LogicalType>,
    problems: &mut Problems,
) {
    if column.category.is_none() && custos.find("category").is_none() {
        problems.add(custos.at, "content needs a category", "write `category: user.content`");
    }
    if logical_type.is_some_and(|found| found != LogicalType::String) {
        problems.add(custos.at, "content is text", "write `logicalType: string`");
    }
}

fn category(custos: &Fields<'_>, problems: &mut Problems) -> Option<DataCategory> {
    let node = custos.find("category")?;
    let text = node.text("category", problems)?;
    let category: Option<DataCategory> = text.parse().ok();
    if category.is_none() {
        problems.add(
            node.at,
            format!("`{text}` is no data category"),
            "write a Fideslang key, such as `user.contact.email`",
        );
    }
    category
}

fn position(custos: &Fields<'_>, problems: &mut Problems) -> Option<usize> {
    let node = custos.find("position")?;
    let place: Option<usize> = node.value.scalar().and_then(|text| text.parse().ok());
    let index = place.filter(|place| (1..=4096).contains(place)).map(|place| place - 1);
    if index.is_none() {
        problems.add(node.at, "`position` is no place in a row", "write a number from 1 to 4096");
    }
    index
}

fn identify(
    column: &mut Column,
    custos: &Fields<'_>,
    logical_type: Option<LogicalType>,
    problems: &mut Problems,
) {
    if logical_type.is_some_and(|found| found != LogicalType::String) {
        problems.add(column.at, "identifiers are text", "write `logicalType: string`");
    }
    let types = IdentifierType::ALL.map(|kind| (kind.as_str(), kind));
    let kind = custos
        .need("type", "write what it identifies, such as `type: email`", problems)
        .and_then(|node| node.choice("type", &types, problems));
    let assurance = custos.choice("assurance", &ASSURANCES, problems).unwrap_or_default();
    let scope = word(custos, "scope", problems);
    let role = word(custos, "role", problems);
    let region = region(custos, problems);
    let Some(kind) = kind else { return };
    let scoped = [IdentifierType::CustomerId, IdentifierType::DeviceId, IdentifierType::SocialId];
    if kind == IdentifierType::CustomerId && custos.find("scope").is_none() {
        problems.add(
            custos.at,
            "a customer_id needs a `scope`",
            "name the system that numbers the customers; sources with one scope share the numbers",
        );
    }
    if let Some(node) = custos.find("scope").filter(|_| !scoped.contains(&kind)) {
        problems.add(node.at, format!("`scope` has no meaning for {kind}"), "leave it out");
    }
    if let Some(node) = custos.find("region").filter(|_| kind != IdentifierType::Phone) {
        problems.add(node.at, format!("`region` has no meaning for {kind}"), "leave it out");
    }
    if column.category.is_none() {
        column.category = kind.default_category().ok();
    }
    column.identifier = Some(IdentifierSpec { kind, scope, region, role, assurance });
}

fn word(custos: &Fields<'_>, key: &str, problems: &mut Problems) -> Option<String> {
    let node = custos.find(key)?;
    let text = node.text(key, problems)?;
    if !resolve::is_snake(text) || (key == "role" && text == "primary") {
        let remedy = match key {
            "role" => {
                "write a lower-case word such as `referrer`; leave it out for the one whom the row is about"
            }
            _ => "write a lower-case word such as `shop`",
        };
        problems.add(node.at, format!("`{text}` is no {key}"), remedy);
    }
    Some(text.to_owned())
}

fn region(custos: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let node = custos.find("region")?;
    let text = node.text("region", problems)?;
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        problems.add(node.at, format!("`{text}` is no region"), "write two capitals, such as `CN`");
    }
    Some(text.to_owned())
}

fn apply_format(
    column: &mut Column,
    node: &Node,
    logical_type: LogicalType,
    problems: &mut Problems,
) {
    let Some(text) = node.text("format", problems) else {
        return;
    };
    column.format = Some(text.to_owned());
    column.moment = match (logical_type, text) {
        (LogicalType::Timestamp, "unix") => MomentFormat::UnixSeconds,
        (LogicalType::Timestamp, "unix_ms") => MomentFormat::UnixMillis,
        (LogicalType::Timestamp | LogicalType::Date, _) => match MomentPattern::compile(text) {
            Ok(pattern) => MomentFormat::Pattern(pattern),
            Err(lack) => {
                problems.add(
                    node.at,
                    format!("the format {lack}"),
                    "write a strftime pattern, such as \"%Y-%m-%d %H:%M:%S\"; for timestamps also unix or unix_ms",
                );
                return;
            }
        },
        _ => {
            let message = "`format` is for dates and timestamps only";
            problems.add(node.at, message, "leave it out");
            return;
        }
    };
}
