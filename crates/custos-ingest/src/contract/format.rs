//! How files are written.

use encoding_rs::{Encoding, UTF_8};

use super::fields::{Fields, Problems};
use super::node::Node;
use super::{CsvFormat, Format, Header, NdjsonFormat};

const KEYS: [&str; 7] =
    ["type", "delimiter", "quote", "escape", "encoding", "header", "null_values"];

/// Reads `format`.
pub(super) fn format(node: &Node, problems: &mut Problems) -> Option<Format> {
    let fields = Fields::read(node, "format", &KEYS, problems)?;
    let kind = fields.need("type", "write `type: csv` or `type: ndjson`", problems)?;
    let is_csv = kind.choice("type", &[("csv", true), ("ndjson", false)], problems)?;
    let encoding = encoding(&fields, problems);
    if is_csv {
        return Some(Format::Csv(csv(&fields, encoding, problems)));
    }
    for key in KEYS.iter().filter(|key| !["type", "encoding"].contains(key)) {
        if let Some(node) = fields.find(key) {
            problems.add(node.at, format!("`{key}` is for csv only"), "leave it out");
        }
    }
    Some(Format::Ndjson(NdjsonFormat { encoding }))
}

fn csv(fields: &Fields<'_>, encoding: &'static Encoding, problems: &mut Problems) -> CsvFormat {
    let delimiter = character(fields, "delimiter", problems).unwrap_or(b',');
    let quote = match fields.find("quote") {
        Some(node) if node.value.scalar().as_deref() == Some("none") => None,
        _ => Some(character(fields, "quote", problems).unwrap_or(b'"')),
    };
    let escape = character(fields, "escape", problems);
    check_characters(fields, delimiter, quote, escape, problems);
    let named = fields.boolean("header", problems).unwrap_or(true);
    let null_values = fields.find("null_values").map(|node| {
        let items = node.list("null_values", problems);
        items
            .iter()
            .filter_map(|item| item.text("null_values", problems))
            .map(str::to_owned)
            .collect()
    });
    CsvFormat {
        delimiter,
        quote,
        escape,
        encoding,
        header: if named { Header::Named } else { Header::Positions },
        null_values: null_values.unwrap_or_default(),
    }
}

fn encoding(fields: &Fields<'_>, problems: &mut Problems) -> &'static Encoding {
    let Some(node) = fields.find("encoding") else {
        return UTF_8;
    };
    let Some(label) = node.text("encoding", problems) else {
        return UTF_8;
    };
    Encoding::for_label_no_replacement(label.as_bytes()).unwrap_or_else(|| {
        problems.add(
            node.at,
            format!("`{label}` is no known encoding"),
            "use a label of the WHATWG encoding standard, such as utf-8, gb18030, utf-16le or windows-1252",
        );
        UTF_8
    })
}

/// One ASCII character that is neither letter nor digit nor line end.
fn character(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Option<u8> {
    let node = fields.find(key)?;
    if let [byte] = node.text(key, problems)?.as_bytes()
        && byte.is_ascii()
        && !byte.is_ascii_alphanumeric()
        && !matches!(byte, b'\0' | b'\r' | b'\n')
    {
        return Some(*byte);
    }
    problems.add(
        node.at,
        format!("`{key}` is not one ASCII sign"),
        "write one character that is neither letter nor digit nor line end, such as \",\" or \"\\t\"",
    );
    None
}

fn check_characters(
    fields: &Fields<'_>,
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    problems: &mut Problems,
) {
    if quote == Some(delimiter) {
        let at = fields.find("quote").map_or(fields.at, |node| node.at);
        problems.add(at, "`quote` and `delimiter` are the same", "write two different characters");
    }
    let Some(node) = fields.find("escape") else {
        return;
    };
    if quote.is_none() {
        problems.add(
            node.at,
            "`escape` works inside quotes only",
            "leave it out, or name a `quote`",
        );
    } else if escape.is_some() && (escape == quote || escape == Some(delimiter)) {
        problems.add(
            node.at,
            "`escape` is the same as `quote` or `delimiter`",
            "leave it out: a doubled quote stands for itself",
        );
    }
}
