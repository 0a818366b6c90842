//! `categories.yaml`: what values tell about a person.

use std::collections::BTreeMap;

use custos_core::DataCategory;

use crate::column_rule::{ColumnRule, Mask};
use crate::document::Node;
use crate::problem::{Problem, Reporter};
use crate::tree::{Entries, parent};

/// One data category of the tree.
#[derive(Debug)]
pub struct CategoryNode {
    /// The path in the tree.
    pub key: DataCategory,
    /// The name for people.
    pub name: String,
    /// What it covers, for people.
    pub description: String,
    /// Whether it is a special category of personal data, by itself or by one above it.
    pub special: bool,
    /// How values look to those who may only see them masked: masked, or as a token.
    pub masked: ColumnRule,
}

/// The tree of data categories.
#[derive(Debug, Default)]
pub(crate) struct Categories {
    pub(crate) by_key: BTreeMap<String, CategoryNode>,
}

struct Entry {
    key: DataCategory,
    name: String,
    description: String,
    special: bool,
    masked: Option<ColumnRule>,
}

impl Categories {
    pub(crate) const FILE: &str = "categories.yaml";

    pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut reporter = Reporter { file: Self::FILE, problems };
        let mut entries = Entries::new();
        let root = reporter.parse(text);
        if let Some(file) = root.as_ref().and_then(|root| reporter.file(root, &["categories"])) {
            for node in reporter.required_list(file, "categories") {
                if let Some(entry) = reporter.category(node) {
                    let key = entry.key.as_str().to_owned();
                    reporter.add(&mut entries, &key, node.at, entry);
                }
            }
        }
        reporter.check_parents(&entries);
        Self { by_key: inherit(entries) }
    }

    pub(crate) fn get(&self, category: &DataCategory) -> Option<&CategoryNode> {
        self.by_key.get(category.as_str())
    }
}

/// Hands marks and masks down the tree; parents sort before their children.
fn inherit(entries: Entries<Entry>) -> BTreeMap<String, CategoryNode> {
    let mut nodes: BTreeMap<String, CategoryNode> = BTreeMap::new();
    for (path, (_, entry)) in entries {
        let above = parent(&path).and_then(|parent| nodes.get(parent));
        let Entry { key, name, description, special, masked } = entry;
        let special = special || above.is_some_and(|above| above.special);
        let masked =
            masked.or(above.map(|above| above.masked)).unwrap_or(ColumnRule::Masked(Mask::Null));
        nodes.insert(path, CategoryNode { key, name, description, special, masked });
    }
    nodes
}

impl Reporter<'_> {
    fn category(&mut self, node: &Node) -> Option<Entry> {
        let keys = ["key", "name", "description", "special", "default_mask"];
        let section = self.section(node, &keys)?;
        let key = self.required(section, "key").and_then(|node| self.name(node));
        let name = self.required_text(section, "name");
        let description = self.required_text(section, "description");
        let special = self.flag(section, "special");
        let mut masks = vec![("token", ColumnRule::Tokenised)];
        masks.extend(Mask::NAMED.map(|(name, mask)| (name, ColumnRule::Masked(mask))));
        let masked = section.field("default_mask").and_then(|node| self.choice(node, &masks));
        Some(Entry {
            key: key?,
            name: name.unwrap_or_default().to_owned(),
            description: description.unwrap_or_default().to_owned(),
            special,
            masked,
        })
    }
}
