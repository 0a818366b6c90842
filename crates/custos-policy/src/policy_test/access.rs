//! Tests of who may do what: `access.test.yaml`.

use std::fmt;

use custos_core::{ColumnKind, DataCategory, KeyClass, Purpose, TableName, Timestamp};

use super::Ran;
use crate::column_rule::ColumnRule;
use crate::dataset::{Dataset, DatasetColumn};
use crate::decision::{Decision, Denial};
use crate::document::{Node, listed};
use crate::policy_set::PolicySet;
use crate::principal::{Principal, Right};
use crate::problem::Reporter;

/// What a test expects of the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Clear,
    Masked,
    Tokenised,
    Absent,
    Permitted,
    Denied,
}

const EXPECTED: [(&str, Expected); 6] = [
    ("clear", Expected::Clear),
    ("masked", Expected::Masked),
    ("tokenised", Expected::Tokenised),
    ("absent", Expected::Absent),
    ("permitted", Expected::Permitted),
    ("denied", Expected::Denied),
];

const KINDS: [(&str, ColumnKind); 4] = [
    ("identifier", ColumnKind::Identifier),
    ("attribute", ColumnKind::Attribute),
    ("fact", ColumnKind::Fact),
    ("content", ColumnKind::Content),
];

const TEST_KEYS: [&str; 10] = [
    "name",
    "role",
    "purpose",
    "category",
    "kind",
    "table",
    "jurisdiction",
    "right",
    "expect",
    "rule",
];

struct Test {
    name: String,
    principal: Principal,
    purpose: Option<Purpose>,
    category: Option<DataCategory>,
    kind: Option<ColumnKind>,
    table: TableName,
    jurisdiction: String,
    right: Option<Right>,
    expected: Expected,
    rule: Option<String>,
}

/// Reads and runs one test; none when it cannot be read, which is then reported.
pub(super) fn run(reporter: &mut Reporter<'_>, node: &Node, policies: &PolicySet) -> Option<Ran> {
    let test = reporter.access_test(node)?;
    Some(Ran { failure: test.run(policies).err(), name: test.name })
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = EXPECTED.iter().find(|(_, expected)| expected == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl Test {
    fn run(&self, policies: &PolicySet) -> Result<(), String> {
        let (actual, rules) = match (self.right, &self.purpose) {
            (Some(right), purpose) => {
                match policies.right(&self.principal, right, purpose.as_ref()) {
                    Ok(rules) => (Expected::Permitted, rules.to_vec()),
                    Err(denial) => denied(denial),
                }
            }
            (None, Some(purpose)) => self.read(policies, purpose),
            (None, None) => return Err("neither a right nor a purpose is asked for".to_owned()),
        };
        if actual != self.expected {
            let by = if rules.is_empty() {
                String::new()
            } else {
                format!(" by {}", listed(rules.iter().map(String::as_str)))
            };
            return Err(format!("expected {}, found {actual}{by}", self.expected));
        }
        match &self.rule {
            Some(rule) if !rules.contains(rule) => {
                let found = listed(rules.iter().map(String::as_str));
                let found = if found.is_empty() { "none".to_owned() } else { found };
                Err(format!("expected rule `{rule}`, found {found}"))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a table of one column; without category, for leave to act for the purpose.
    fn read(&self, policies: &PolicySet, purpose: &Purpose) -> (Expected, Vec<String>) {
        const COLUMN: &str = "value";
        let column = self.category.clone().map(|category| DatasetColumn {
            name: COLUMN.to_owned(),
            category: Some(category),
            kind: self.kind,
            class: KeyClass::Fact,
        });
        let asked = column.is_some();
        let dataset = Dataset {
            table: self.table.clone(),
            columns: column.into_iter().collect(),
            purposes: vec![purpose.clone()],
            unattributed_visible: false,
            jurisdiction: self.jurisdiction.clone(),
            event_time: None,
        };
        let now = Timestamp::from_micros(0);
        let grant = match policies.decide(&self.principal, purpose, &dataset, now) {
            Decision::Permit(grant) => grant,
            Decision::Deny(denial) => return denied(denial),
        };
        if !asked {
            return (Expected::Permitted, grant.determined_by().to_vec());
        }
        let shown = match grant.column(COLUMN) {
            ColumnRule::Clear => Expected::Clear,
            ColumnRule::Masked(_) => Expected::Masked,
            ColumnRule::Tokenised => Expected::Tokenised,
            ColumnRule::Absent => Expected::Absent,
        };
        (shown, grant.column_determined_by(COLUMN).to_vec())
    }
}

fn denied(denial: Denial) -> (Expected, Vec<String>) {
    (Expected::Denied, denial.rule.into_iter().collect())
}

impl Reporter<'_> {
    fn access_test(&mut self, node: &Node) -> Option<Test> {
        let section = self.section(node, &TEST_KEYS)?;
        let name = self.required_text(section, "name");
        let role = self.required_text(section, "role");
        let expected = self.required(section, "expect");
        let expected = expected.and_then(|node| self.choice(node, &EXPECTED));
        let purpose = section.field("purpose").map(|node| self.name(node));
        let category = section.field("category").map(|node| self.name(node));
        let kind = section.field("kind").map(|node| self.choice(node, &KINDS));
        let table = section.field("table").map(|node| self.name(node));
        let rights = Right::ALL.map(|right| (right.as_str(), right));
        let right = section.field("right").map(|node| self.choice(node, &rights));
        let place = section.field("jurisdiction").and_then(|node| self.text(node));
        let rule = section.field("rule").and_then(|node| self.text(node));
        // A field that is there and wrong was reported above and spoils the test.
        let present = |ok: bool| ok.then_some(());
        present(purpose != Some(None) && category != Some(None) && table != Some(None))?;
        present(kind != Some(None) && right != Some(None))?;
        Some(Test {
            name: name?.to_owned(),
            principal: Principal::new("tester".parse().ok()?, vec![role?.to_owned()]),
            purpose: purpose.flatten(),
            category: category.flatten(),
            kind: kind.flatten(),
            table: table.flatten().or_else(|| "customer.test".parse().ok())?,
            jurisdiction: place.unwrap_or_default().to_owned(),
            right: right.flatten(),
            expected: expected?,
            rule: rule.map(str::to_owned),
        })
    }
}
