//! YAML read into a tree that knows where everything stands.
//!
//! Typed deserialization stops at the first mistake; people who edit policies want all of them at
//! once, so files are read into this tree first and then taken apart field by field.

use std::fmt;
use std::str::FromStr;

use custos_core::NameError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use crate::problem::{Position, Reporter};

/// A value and the place where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let at = Position {
            line: number(spanned.referenced.line()),
            column: number(spanned.referenced.column()),
        };
        Ok(Self { at, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a flag, a whole number, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(u64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Mapping(fields))
    }
}

/// A mapping whose keys are known to be among the wanted ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'n> {
    pub(crate) at: Position,
    fields: &'n [(Node, Node)],
}

impl<'n> Section<'n> {
    pub(crate) fn field(&self, key: &str) -> Option<&'n Node> {
        self.fields
            .iter()
            .find(|(name, _)| matches!(&name.value, Value::Text(text) if text == key))
            .map(|(_, node)| node)
    }
}

/// Names in backticks, for a message.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl Reporter<'_> {
    /// Reads a text as YAML; the parser itself stops at its first mistake.
    pub(crate) fn parse(&mut self, text: &str) -> Option<Node> {
        let options = serde_saphyr::options! { with_snippet: false };
        match serde_saphyr::from_str_with_options(text, options) {
            Ok(node) => Some(node),
            Err(error) => {
                let at = error.location().map(|location| Position {
                    line: u32::try_from(location.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(location.column()).unwrap_or(u32::MAX),
                });
                let message = UserMessageFormatter.format_message(error.without_snippet());
                self.report(at, format!("not valid YAML: {message}"), "correct the YAML there");
                None
            }
        }
    }

    /// Reads a whole file: a mapping with `version: 1` and the given keys.
    pub(crate) fn file<'n>(&mut self, root: &'n Node, keys: &[&str]) -> Option<Section<'n>> {
        let keys: Vec<&str> = ["version"].into_iter().chain(keys.iter().copied()).collect();
        let section = self.section(root, &keys)?;
        match section.field("version").map(|node| (node.at, &node.value)) {
            Some((_, Value::Number(1))) => {}
            Some((at, _)) => {
                self.report(at, "unknown version of the file's form", "write `version: 1`");
            }
            None => {
                self.report(section.at, "`version` is missing", "put `version: 1` first");
            }
        }
        Some(section)
    }

    /// Takes a node as a mapping and reports keys other than `keys`.
    pub(crate) fn section<'n>(&mut self, node: &'n Node, keys: &[&str]) -> Option<Section<'n>> {
        let section = self.mapping(node)?;
        for (name, _) in section.fields {
            let known = matches!(&name.value, Value::Text(text) if keys.contains(&text.as_str()));
            if !known {
                let shown = match &name.value {
                    Value::Text(text) => format!("unknown key `{text}`"),
                    _ => "a key that is not text".to_owned(),
                };
                let remedy = format!("remove it or use one of {}", listed(keys.iter().copied()));
                self.report(name.at, shown, remedy);
            }
        }
        Some(section)
    }

    /// Takes a node as a mapping with any keys.
    pub(crate) fn mapping<'n>(&mut self, node: &'n Node) -> Option<Section<'n>> {
        let Value::Mapping(fields) = &node.value else {
            self.report(node.at, "a mapping is wanted here", "write `key: value` pairs");
            return None;
        };
        Some(Section { at: node.at, fields })
    }

    /// The keys and values of a mapping whose keys are texts.
    pub(crate) fn entries<'n>(&mut self, section: Section<'n>) -> Vec<(&'n str, &'n Node)> {
        let mut entries = Vec::new();
        for (name, node) in section.fields {
            if let Some(text) = self.text(name) {
                entries.push((text, node));
            }
        }
        entries
    }

    /// A field that must be there.
    pub(crate) fn required<'n>(&mut self, section: Section<'n>, key: &str) -> Option<&'n Node> {
        let field = section.field(key);
        if field.is_none() {
            self.report(section.at, format!("`{key}` is missing"), format!("add `{key}`"));
        }
        field
    }

    /// Takes a node as text.
    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let Value::Text(text) = &node.value else {
            self.report(node.at, "a text is wanted here", "write a text, in quotes if need be");
            return None;
        };
        Some(text)
    }

    /// A text that must be there.
    pub(crate) fn required_text<'n>(&mut self, section: Section<'n>, key: &str) -> Option<&'n str> {
        let node = self.required(section, key)?;
        self.text(node)
    }

    /// Takes a node as a name of its kind.
    pub(crate) fn name<T: FromStr<Err = NameError>>(&mut self, node: &Node) -> Option<T> {
        let text = self.text(node)?;
        text.parse()
            .map_err(|error: NameError| {
                self.report(node.at, error.to_string(), "correct the name");
            })
            .ok()
    }

    /// Takes a node as a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        let Value::List(items) = &node.value else {
            self.report(node.at, "a list is wanted here", "write items, each after a `-`");
            return &[];
        };
        items
    }

    /// A list that must be there.
    pub(crate) fn required_list<'n>(&mut self, section: Section<'n>, key: &str) -> &'n [Node] {
        match self.required(section, key) {
            Some(node) => self.list(node),
            None => &[],
        }
    }

    /// A flag that is off unless it is there.
    pub(crate) fn flag(&mut self, section: Section<'_>, key: &str) -> bool {
        match section.field(key).map(|node| (node.at, &node.value)) {
            Some((_, Value::Flag(flag))) => *flag,
            Some((at, _)) => {
                self.report(at, format!("`{key}` is a flag"), "write `true` or `false`");
                false
            }
            None => false,
        }
    }

    /// Takes a node as one of some words.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            Value::Null => "null",
            Value::Flag(_) | Value::Number(_) | Value::List(_) | Value::Mapping(_) => "",
        };
        let chosen = words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words = listed(words.iter().map(|(word, _)| *word));
            self.report(node.at, "not a word that is known here", format!("use one of {words}"));
        }
        chosen
    }
}
