//! Tests of what the other files say: each names a thing and the facts that it expects of it.

use std::collections::BTreeMap;

use custos_core::{DataCategory, KeyClass, Purpose, SourceId, TableName, Timestamp};

use super::Ran;
use crate::basis::name_of;
use crate::column_rule::ColumnRule;
use crate::dataset::{Dataset, DatasetColumn};
use crate::document::{Node, Section, Value, listed};
use crate::policy_set::PolicySet;
use crate::principal::Principal;
use crate::problem::Reporter;
use crate::regimes::{Deadline, in_words};

/// Facts by name, as they are written in test files.
type Facts = BTreeMap<&'static str, String>;

/// `purposes.test.yaml`: about a `purpose`, perhaps in a `jurisdiction` and under `notified`
/// purposes, or about a `role`.
pub(super) fn purposes(
    reporter: &mut Reporter<'_>,
    node: &Node,
    policies: &PolicySet,
) -> Option<Ran> {
    let section = reporter.fact_test(node, &["purpose", "jurisdiction", "notified", "role"])?;
    let mut facts = Facts::new();
    if let Some(node) = section.field("role") {
        let role = reporter.text(node)?.to_owned();
        let principal = Principal::new("tester".parse().ok()?, vec![role]);
        let default = policies.default_purpose(&principal);
        facts.insert("default_purpose", or_none(default));
    }
    if let Some(node) = section.field("purpose") {
        let purpose: Purpose = reporter.name(node)?;
        let place = section.field("jurisdiction").map(|node| reporter.text(node));
        let place = place.map_or(Some(""), |place| place)?;
        let known = policies.purpose(&purpose);
        facts.insert("known", known.is_some().to_string());
        if let Some(known) = known {
            facts.insert("leaf", known.leaf.to_string());
            facts.insert("output", known.output.as_str().to_owned());
            facts.insert("basis", known.basis(place).as_str().to_owned());
            facts.insert("rows", name_of(known.basis(place).rows()).to_owned());
        }
        if let Some(node) = section.field("notified") {
            let notified: Vec<Purpose> = reporter.names(node)?;
            facts.insert("covered", policies.covers(&notified, &purpose).to_string());
        }
    }
    reporter.compare(section, &facts)
}

/// `categories.test.yaml`: about a `category`.
pub(super) fn categories(
    reporter: &mut Reporter<'_>,
    node: &Node,
    policies: &PolicySet,
) -> Option<Ran> {
    let section = reporter.fact_test(node, &["category"])?;
    let category = reporter.required(section, "category")?;
    let category: DataCategory = reporter.name(category)?;
    let known = policies.category(&category);
    let mut facts = Facts::from([("known", known.is_some().to_string())]);
    if let Some(known) = known {
        facts.insert("special", known.special.to_string());
        let masked = match known.masked {
            ColumnRule::Masked(mask) => mask.as_str(),
            ColumnRule::Clear | ColumnRule::Tokenised | ColumnRule::Absent => "token",
        };
        facts.insert("masked", masked.to_owned());
    }
    reporter.compare(section, &facts)
}

/// `regimes.test.yaml`: about a `regime`, or about a `jurisdiction`.
pub(super) fn regimes(
    reporter: &mut Reporter<'_>,
    node: &Node,
    policies: &PolicySet,
) -> Option<Ran> {
    let section = reporter.fact_test(node, &["regime", "jurisdiction"])?;
    let mut facts = Facts::new();
    if let Some(node) = section.field("jurisdiction") {
        let place = reporter.text(node)?;
        let there = policies.regimes().filter(|regime| regime.jurisdictions.contains(place));
        facts.insert("regimes", list(there.map(|regime| regime.key.as_str())));
    }
    if let Some(node) = section.field("regime") {
        let known = policies.regime(reporter.text(node)?);
        facts.insert("known", known.is_some().to_string());
        if let Some(known) = known {
            let term = |term: Option<Deadline>| or_none(term.as_ref());
            facts.insert("name", known.name.clone());
            facts.insert("jurisdictions", list(known.jurisdictions.iter().map(String::as_str)));
            facts.insert("acknowledge", term(known.acknowledge));
            facts.insert("answer", term(Some(known.answer)));
            facts.insert("extension", term(known.extension));
            facts.insert("opt_out", term(known.opt_out));
            facts.insert("minors", or_none(known.minors.map(in_words)));
        }
    }
    reporter.compare(section, &facts)
}

const RETENTION_KEYS: [&str; 7] =
    ["table", "contract", "categories", "jurisdiction", "purpose", "at", "event_time"];

/// `retention.test.yaml`: about a row of a `table` or `contract` with values of some `categories`,
/// all shown, `at` an instant for a `purpose`; with its `event_time` or `none`.
pub(super) fn retention(
    reporter: &mut Reporter<'_>,
    node: &Node,
    policies: &PolicySet,
) -> Option<Ran> {
    let section = reporter.fact_test(node, &RETENTION_KEYS)?;
    let dataset = reporter.dataset(section)?;
    let at = reporter.required(section, "at")?;
    let at = reporter.instant(at)?;
    let event_time = match section.field("event_time") {
        Some(node) if matches!(&node.value, Value::Text(text) if text == "none") => Some(None),
        Some(node) => Some(Some(reporter.instant(node)?)),
        None => None,
    };
    let mut facts = Facts::new();
    let (mut due, mut due_by) = (None, Vec::new());
    if let Ok(deletion) = policies.deletion(&dataset, at) {
        (due, due_by) = (deletion.event_time_before, deletion.determined_by);
    }
    facts.insert("deleted_before", or_none(due));
    facts.insert("deleted_by", list(due_by.iter().map(String::as_str)));
    if let Some(event_time) = event_time {
        let deleted = event_time.zip(due).is_some_and(|(time, due)| time < due);
        facts.insert("deleted", deleted.to_string());
    }
    if let Some(node) = section.field("purpose") {
        let purpose: Purpose = reporter.name(node)?;
        let window = policies
            .purpose(&purpose)
            .and_then(|node| policies.window(node, &dataset, &dataset.categories(), at).ok());
        facts.insert("covered", window.is_some().to_string());
        if let Some(window) = &window {
            facts.insert("shown_from", or_none(window.event_time_from));
            facts.insert("undated", if window.undated_visible { "shown" } else { "hidden" }.into());
            facts.insert("shown_by", list(window.determined_by.iter().map(String::as_str)));
        }
        if let Some(event_time) = event_time {
            let shown = window.is_some_and(|window| window.shows(event_time));
            facts.insert("shown", shown.to_string());
        }
    }
    reporter.compare(section, &facts)
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A value as facts are written.
fn written(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Value::Mapping(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let (key, value) = (written(key), written(value));
                format!("{key}: {value}")
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

impl Reporter<'_> {
    fn fact_test<'n>(&mut self, node: &'n Node, about: &[&str]) -> Option<Section<'n>> {
        let keys: Vec<&str> = ["name", "expect"].into_iter().chain(about.iter().copied()).collect();
        self.section(node, &keys)
    }

    /// Holds what is expected against what was found.
    fn compare(&mut self, section: Section<'_>, facts: &Facts) -> Option<Ran> {
        let name = self.required_text(section, "name");
        let expected = self.required(section, "expect")?;
        let expected = self.mapping(expected)?;
        let entries = self.entries(expected);
        if entries.is_empty() {
            self.report(expected.at, "the test expects nothing", "write `expect: {fact: value}`");
            return None;
        }
        let differences = entries.into_iter().filter_map(|(key, node)| {
            let wanted = written(node);
            match facts.get(key) {
                Some(found) if *found == wanted => None,
                Some(found) => Some(format!("expected `{key}: {wanted}`, found `{key}: {found}`")),
                None => {
                    let known = listed(facts.keys().copied());
                    Some(format!("expected `{key}: {wanted}`, found only {known}"))
                }
            }
        });
        let differences: Vec<String> = differences.collect();
        let failure = (!differences.is_empty()).then(|| differences.join("; "));
        Some(Ran { name: name?.to_owned(), failure })
    }

    fn names<T: std::str::FromStr<Err = custos_core::NameError>>(
        &mut self,
        node: &Node,
    ) -> Option<Vec<T>> {
        self.list(node).iter().map(|item| self.name(item)).collect()
    }

    fn instant(&mut self, node: &Node) -> Option<Timestamp> {
        let text = self.text(node)?;
        let instant = text.parse::<Timestamp>();
        if let Err(error) = instant {
            self.report(node.at, error.to_string(), "write such an instant, in quotes");
        }
        instant.ok()
    }

    /// A table whose columns have the categories of a test.
    fn dataset(&mut self, section: Section<'_>) -> Option<Dataset> {
        let table: TableName = match (section.field("table"), section.field("contract")) {
            (Some(node), None) => self.name(node)?,
            (None, Some(node)) => self.name::<SourceId>(node)?.landing_table(),
            _ => {
                let remedy = "write `table` or `contract`";
                self.report(section.at, "the test names no one table", remedy);
                return None;
            }
        };
        let categories: Vec<DataCategory> = match section.field("categories") {
            Some(node) => self.names(node)?,
            None => Vec::new(),
        };
        let jurisdiction = section.field("jurisdiction").map(|node| self.text(node));
        let columns = categories.into_iter().map(|category| DatasetColumn {
            name: category.as_str().to_owned(),
            category: Some(category),
            kind: None,
            class: KeyClass::Fact,
        });
        Some(Dataset {
            table,
            columns: columns.collect(),
            purposes: Vec::new(),
            unattributed_visible: false,
            jurisdiction: jurisdiction.map_or(Some(""), |place| place)?.to_owned(),
            event_time: None,
        })
    }
}
