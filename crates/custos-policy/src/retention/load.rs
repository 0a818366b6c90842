//! Reading `retention.yaml`, with every mistake in it.

use std::collections::BTreeSet;
use std::str::FromStr;

use custos_core::{NameError, SourceId, TableName, Timestamp};

use super::{Retention, RetentionRule, Showing, Term};
use crate::categories::Categories;
use crate::document::{Node, Section, listed};
use crate::problem::{Position, Problem, Reporter};
use crate::purposes::Purposes;
use crate::tree::Entries;

const RULE_KEYS: [&str; 9] = [
    "id",
    "reason",
    "tables",
    "contracts",
    "categories",
    "purposes",
    "jurisdictions",
    "show",
    "keep",
];

const UNDATED: [(&str, bool); 2] = [("shown", true), ("hidden", false)];

/// The names that a rule may select.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) purposes: &'a Purposes,
    pub(crate) categories: &'a Categories,
    pub(crate) jurisdictions: &'a BTreeSet<&'a str>,
}

impl Retention {
    pub(crate) fn read(text: &str, known: Known<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut reporter = Reporter { file: Self::FILE, problems };
        let mut entries = Entries::new();
        let root = reporter.parse(text);
        if let Some(file) = root.as_ref().and_then(|root| reporter.file(root, &["rules"])) {
            for node in reporter.required_list(file, "rules") {
                if let Some(rule) = reporter.retention_rule(node, known) {
                    let id = rule.id.clone();
                    reporter.add(&mut entries, &id, node.at, rule);
                }
            }
        }
        let mut rules: Vec<RetentionRule> = entries.into_values().map(|(_, rule)| rule).collect();
        rules.sort_by_key(|rule| rule.line);
        Self { rules }
    }
}

impl Reporter<'_> {
    fn retention_rule(&mut self, node: &Node, known: Known<'_>) -> Option<RetentionRule> {
        let section = self.section(node, &RULE_KEYS)?;
        let id = self.required_text(section, "id");
        let reason = self.required_text(section, "reason");
        let tables = self.selected_tables(section);
        let categories = self.selected(section, "categories");
        let tree = &known.categories.by_key;
        self.check_known(
            &categories,
            |key| tree.contains_key(key),
            tree.is_empty(),
            Categories::FILE,
        );
        let purposes = self.selected(section, "purposes");
        let tree = &known.purposes.by_key;
        self.check_known(&purposes, |key| tree.contains_key(key), tree.is_empty(), Purposes::FILE);
        let jurisdictions = self.selected_jurisdictions(section, known.jurisdictions);
        let show = section.field("show").map(|node| self.showing(node));
        let keep = section.field("keep").map(|node| self.keeping(node));
        self.check_sense(section, show.flatten(), keep.flatten());
        Some(RetentionRule {
            id: id?.to_owned(),
            reason: reason.unwrap_or_default().to_owned(),
            tables,
            categories: categories.into_iter().map(|(_, name)| name).collect(),
            purposes: purposes.into_iter().map(|(_, name)| name).collect(),
            jurisdictions,
            show: show.flatten(),
            keep: keep.flatten(),
            line: node.at.line,
        })
    }

    /// A rule must say something, and one thing must not belie the other.
    fn check_sense(&mut self, section: Section<'_>, show: Option<Showing>, keep: Option<Term>) {
        if section.field("show").is_none() && section.field("keep").is_none() {
            self.report(section.at, "the rule says nothing", "add `show`, `keep` or both");
        }
        if let (Some(node), Some(_)) = (section.field("keep"), section.field("purposes")) {
            let remedy = "put `keep` in a rule of its own, without `purposes`";
            self.report(node.at, "a row is kept for all purposes or none", remedy);
        }
        if let (Some(node), Some(show), Some(keep)) = (section.field("show"), show, keep) {
            let now = Timestamp::from_micros(0);
            if show.until.horizon(now) < keep.horizon(now) {
                let remedy = "shorten `show`, or lengthen `keep`";
                self.report(node.at, "rows would be shown for longer than they are kept", remedy);
            }
        }
    }

    /// The names under a key; an empty list would select nothing, or everything, so it is refused.
    fn selected<T: FromStr<Err = NameError>>(
        &mut self,
        section: Section<'_>,
        key: &str,
    ) -> Vec<(Position, T)> {
        let Some(node) = section.field(key) else {
            return Vec::new();
        };
        let items = self.list(node);
        if items.is_empty() {
            let remedy = format!("name some, or remove `{key}` to select all");
            self.report(node.at, format!("`{key}` selects nothing"), remedy);
        }
        items.iter().filter_map(|item| Some((item.at, self.name(item)?))).collect()
    }

    fn selected_tables(&mut self, section: Section<'_>) -> Vec<TableName> {
        let tables: Vec<(Position, TableName)> = self.selected(section, "tables");
        let contracts: Vec<(Position, SourceId)> = self.selected(section, "contracts");
        let landed = contracts
            .into_iter()
            .flat_map(|(_, source)| [source.landing_table(), source.quarantine_table()]);
        tables.into_iter().map(|(_, table)| table).chain(landed).collect()
    }

    fn check_known<T: std::fmt::Display>(
        &mut self,
        names: &[(Position, T)],
        is_known: impl Fn(&str) -> bool,
        unread: bool,
        file: &str,
    ) {
        // A tree that could not be read was reported, and knows no name.
        for (at, name) in names.iter().filter(|_| !unread) {
            if !is_known(&name.to_string()) {
                let remedy = format!("correct it, or add the key to {file}");
                self.report(*at, format!("`{name}` is not in {file}"), remedy);
            }
        }
    }

    fn selected_jurisdictions(
        &mut self,
        section: Section<'_>,
        known: &BTreeSet<&str>,
    ) -> Vec<String> {
        let Some(node) = section.field("jurisdictions") else {
            return Vec::new();
        };
        let mut places = Vec::new();
        for item in self.list(node) {
            let Some(place) = self.text(item) else {
                continue;
            };
            if !known.is_empty() && !known.contains(place) {
                let known = listed(known.iter().copied());
                let remedy = format!("use one of {known}, or add it to a regime in regimes.yaml");
                self.report(item.at, format!("`{place}` is not a known jurisdiction"), remedy);
            }
            places.push(place.to_owned());
        }
        if places.is_empty() {
            let remedy = "name some, or remove `jurisdictions` to select all";
            self.report(node.at, "`jurisdictions` selects nothing", remedy);
        }
        places
    }

    fn showing(&mut self, node: &Node) -> Option<Showing> {
        let section = self.section(node, &["until", "undated"])?;
        let until = self.term(section)?;
        let undated = match section.field("undated") {
            Some(node) => self.choice(node, &UNDATED)?,
            None => until == Term::Forever,
        };
        Some(Showing { until, undated })
    }

    fn keeping(&mut self, node: &Node) -> Option<Term> {
        let section = self.section(node, &["until"])?;
        self.term(section)
    }

    fn term(&mut self, section: Section<'_>) -> Option<Term> {
        let node = self.required(section, "until")?;
        let text = self.text(node)?;
        let term = Term::parse(text);
        if let Err(error) = term {
            self.report(node.at, error.to_string(), "write a period, or `forever`");
        }
        term.ok()
    }
}
