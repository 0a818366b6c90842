//! From a YAML tree to a [`Contract`].

use chrono_tz::Tz;
use custos_core::{Purpose, SourceId};

use super::column::{self, Property};
use super::fields::{Fields, Problems};
use super::node::{Node, Yaml};
use super::{
    Column, Contract, ContractProblem, Format, Header, Status, Unattributed, WriteMode, checks,
    format,
};

const KEYS: [&str; 23] = [
    "apiVersion",
    "kind",
    "id",
    "version",
    "status",
    "schema",
    "customProperties",
    "name",
    "description",
    "tags",
    "domain",
    "dataProduct",
    "tenant",
    "team",
    "roles",
    "support",
    "servers",
    "price",
    "slaProperties",
    "slaDefaultElement",
    "contractCreatedTs",
    "authoritativeDefinitions",
    "dataGranularityDescription",
];

const CUSTOS_KEYS: [&str; 11] = [
    "format",
    "write_mode",
    "record_key",
    "version_column",
    "event_time",
    "birth",
    "time_zone",
    "purposes",
    "jurisdiction",
    "consent_authority",
    "unattributed",
];

const TABLE_KEYS: [&str; 11] = [
    "name",
    "properties",
    "physicalName",
    "physicalType",
    "logicalType",
    "description",
    "businessName",
    "tags",
    "dataGranularityDescription",
    "authoritativeDefinitions",
    "id",
];

const STATUSES: [(&str, Status); 5] = [
    ("proposed", Status::Proposed),
    ("draft", Status::Draft),
    ("active", Status::Active),
    ("deprecated", Status::Deprecated),
    ("retired", Status::Retired),
];

/// A contract while its parts are being put together.
pub(super) struct Draft<'a> {
    pub(super) custos: Fields<'a>,
    pub(super) properties: Vec<Property<'a>>,
}

/// Reads a whole contract.
pub(super) fn contract(file: &str, root: &Node) -> Result<Contract, Vec<ContractProblem>> {
    let mut problems = Problems::new(file);
    match read(file, root, &mut problems) {
        Some(contract) if problems.is_empty() => Ok(contract),
        _ => Err(problems.into_sorted()),
    }
}

fn read(file: &str, root: &Node, problems: &mut Problems) -> Option<Contract> {
    let root = Fields::read(root, "a contract", &KEYS, problems)?;
    let id = head(&root, problems);
    let version = version(&root, problems);
    let status_at = root.need("status", "write `status: active`", problems);
    let status = status_at.and_then(|node| node.choice("status", &STATUSES, problems));
    let properties = properties(&root, problems);
    let custos = custos(&root, problems)?;
    let draft = Draft { custos, properties };
    let format = custos
        .need("format", "write how the files are written", problems)
        .and_then(|node| format::format(node, problems));
    let write_mode = write_mode(&custos, problems);
    let purposes = purposes(&custos, problems);
    let time_zone = time_zone(&custos, problems);
    let unattributed = custos
        .choice(
            "unattributed",
            &[("hidden", Unattributed::Hidden), ("visible", Unattributed::Visible)],
            problems,
        )
        .unwrap_or(Unattributed::Hidden);
    let record_key = checks::record_key(&draft, problems);
    let version_column = checks::version_column(&draft, write_mode, problems);
    let event_time = checks::event_time(&draft, problems);
    let birth = checks::birth(&draft, problems);
    checks::check(&draft, format.as_ref(), unattributed, problems);
    let jurisdiction = jurisdiction(&custos, problems);
    let consent_authority = custos.is_true("consent_authority", problems);
    let by_position = matches!(&format, Some(Format::Csv(csv)) if csv.header == Header::Positions);
    let columns = columns(draft.properties, by_position);
    Some(Contract {
        id: id?,
        version: version?,
        status: status?,
        format: format?,
        write_mode: write_mode?,
        record_key,
        version_column,
        event_time,
        birth,
        time_zone: time_zone?,
        purposes,
        jurisdiction,
        consent_authority,
        unattributed,
        columns,
        file: file.to_owned(),
        version_at: root.find("version").map_or(root.at, |node| node.at),
    })
}

/// The lines that every contract starts with; answers its id.
fn head(root: &Fields<'_>, problems: &mut Problems) -> Option<SourceId> {
    let versions = [("v3.0.0", ()), ("v3.0.1", ()), ("v3.0.2", ())];
    if let Some(node) = root.need("apiVersion", "write `apiVersion: v3.0.2`", problems) {
        node.choice("apiVersion", &versions, problems);
    }
    if let Some(node) = root.need("kind", "write `kind: DataContract`", problems) {
        node.choice("kind", &[("DataContract", ())], problems);
    }
    let node = root.need("id", "name the source", problems)?;
    let text = node.text("id", problems)?;
    let id = text.parse().ok();
    if id.is_none() {
        problems.add(
            node.at,
            format!("`{text}` is no source id"),
            "use lower-case letters, digits and `_`, starting with a letter",
        );
    }
    id
}

fn version(root: &Fields<'_>, problems: &mut Problems) -> Option<(u32, u32, u32)> {
    let node = root.need("version", "write `version: 1.0.0`", problems)?;
    let text = node.value.scalar().unwrap_or_default();
    let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
    let version = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    match (version, parts.next()) {
        ((Some(major), Some(minor), Some(patch)), None) => Some((major, minor, patch)),
        _ => {
            problems.add(node.at, "the version is not three numbers", "write `version: 1.0.0`");
            None
        }
    }
}

fn properties<'a>(root: &Fields<'a>, problems: &mut Problems) -> Vec<Property<'a>> {
    let remedy = "list one table with its `properties`";
    let Some(schema) = root.need("schema", remedy, problems) else {
        return Vec::new();
    };
    let Yaml::List(tables) = &schema.value else {
        schema.list("schema", problems);
        return Vec::new();
    };
    let [table] = tables.as_slice() else {
        let message = format!("the schema has {} tables, not one", tables.len());
        problems.add(schema.at, message, "write one contract for each table");
        return Vec::new();
    };
    let Some(table) = Fields::read(table, "a table", &TABLE_KEYS, problems) else {
        return Vec::new();
    };
    table.need("name", "name the table", problems);
    let Some(node) = table.need("properties", "list the columns", problems) else {
        return Vec::new();
    };
    let properties: Vec<Property<'a>> = node
        .list("properties", problems)
        .iter()
        .map(|item| column::property(item, problems))
        .collect();
    if properties.is_empty() {
        problems.add(node.at, "the table has no columns", "list them");
    }
    properties
}

fn custos<'a>(root: &Fields<'a>, problems: &mut Problems) -> Option<Fields<'a>> {
    let remedy = "add an entry `property: custos` to `customProperties`, with format, write_mode, event_time and purposes";
    root.need("customProperties", remedy, problems)?;
    let Some(node) = custos_value(root, problems) else {
        problems.add(root.at, "`customProperties` has no `custos`", remedy);
        return None;
    };
    Fields::read(node, "custos", &CUSTOS_KEYS, problems)
}

/// The value of the custom property `custos`; others belong to other tools.
pub(super) fn custos_value<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<&'a Node> {
    let list = fields.find("customProperties")?;
    let mut found = None;
    for item in list.list("customProperties", problems) {
        let known = ["property", "value", "id", "description"];
        let Some(entry) = Fields::read(item, "a custom property", &known, problems) else {
            continue;
        };
        let remedy = "name the property";
        let Some(name) = entry.need("property", remedy, problems) else {
            continue;
        };
        if name.text("property", problems) != Some("custos") {
            continue;
        }
        let value = entry.need("value", "write the value", problems);
        if found.is_some() {
            problems.add(entry.at, "`custos` is there twice", "join the two");
        }
        found = found.or(value);
    }
    found
}

fn write_mode(custos: &Fields<'_>, problems: &mut Problems) -> Option<WriteMode> {
    let node = custos.need("write_mode", "write `write_mode: append` or `upsert`", problems)?;
    let modes = [
        ("append", Some(WriteMode::Append)),
        ("upsert", Some(WriteMode::Upsert)),
        ("snapshot", None),
    ];
    let chosen = node.choice("write_mode", &modes, problems)?;
    if chosen.is_none() {
        problems.add(
            node.at,
            "snapshots are not supported yet",
            "deliver changes with `write_mode: upsert`, or loads with `append`",
        );
    }
    chosen
}

fn purposes(custos: &Fields<'_>, problems: &mut Problems) -> Vec<Purpose> {
    let remedy = "list the purposes that people were told of, such as [analytics]";
    let Some(node) = custos.need("purposes", remedy, problems) else {
        return Vec::new();
    };
    let mut purposes: Vec<Purpose> = Vec::new();
    let items = node.list("purposes", problems);
    for item in items {
        let Some(text) = item.text("purposes", problems) else {
            continue;
        };
        match text.parse::<Purpose>() {
            Ok(purpose) if purposes.contains(&purpose) => {
                problems.add(item.at, format!("`{text}` is there twice"), "keep one of them");
            }
            Ok(purpose) => purposes.push(purpose),
            Err(_) => problems.add(
                item.at,
                format!("`{text}` is no purpose"),
                "write a key of purposes.yaml, such as `marketing.advertising`",
            ),
        }
    }
    if items.is_empty() && matches!(node.value, Yaml::List(_)) {
        problems.add(node.at, "`purposes` is empty, so nobody could read the source", remedy);
    }
    purposes
}

fn time_zone(custos: &Fields<'_>, problems: &mut Problems) -> Option<Tz> {
    let Some(node) = custos.find("time_zone") else {
        return Some(Tz::UTC);
    };
    let text = node.text("time_zone", problems)?;
    let zone = text.parse().ok();
    if zone.is_none() {
        problems.add(
            node.at,
            format!("`{text}` is no known time zone"),
            "write a name of the IANA database, such as `Asia/Shanghai` or `UTC`",
        );
    }
    zone
}

fn jurisdiction(custos: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let node = custos.find("jurisdiction")?;
    let fields = Fields::read(node, "jurisdiction", &["default"], problems)?;
    let node = fields.need("default", "write `{default: cn}`", problems)?;
    let text = node.text("default", problems)?;
    if !is_snake(text) {
        problems.add(node.at, format!("`{text}` is no jurisdiction"), "write it as `cn` or `eu`");
    }
    Some(text.to_owned())
}

/// The columns; in a file without header, placed in their order unless they say their places.
fn columns(properties: Vec<Property<'_>>, by_position: bool) -> Vec<Column> {
    let columns = properties.into_iter().filter_map(|property| property.column);
    columns
        .enumerate()
        .map(|(index, column)| {
            let place = column.position.unwrap_or(index);
            Column { position: by_position.then_some(place), ..column }
        })
        .collect()
}

/// Whether a word is made of lower-case letters, digits and `_`, and starts with a letter.
pub(super) fn is_snake(word: &str) -> bool {
    word.len() <= 63
        && word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
