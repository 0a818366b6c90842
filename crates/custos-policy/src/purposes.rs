//! `purposes.yaml`: what answers may be for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use custos_consent::{ConsentTopic, SeparateConsents};
use custos_core::Purpose;

use crate::basis::{Bases, LegalBasis};
use crate::document::{Node, Section, Value, listed};
use crate::problem::{Position, Problem, Reporter};
use crate::tree::{Entries, parent};

/// In which form answers for a purpose may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputMode {
    /// Rows about single people.
    Row,
    /// Only totals over no fewer people than this.
    Aggregate {
        /// How many, at least two.
        people_min: u32,
    },
    /// Only totals with noise (differential privacy), which are not served.
    Dp,
}

impl OutputMode {
    /// Totals over ten people, a common threshold of statistical offices.
    pub const AGGREGATE: Self = Self::Aggregate { people_min: 10 };

    /// The name in `purposes.yaml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Aggregate { .. } => "aggregate",
            Self::Dp => "dp",
        }
    }

    /// Whether something may be shown that `other` does not show.
    pub(crate) const fn may_show_more_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Dp, _) | (Self::Aggregate { .. }, Self::Row) => false,
            (Self::Aggregate { people_min: ours }, Self::Aggregate { people_min: theirs }) => {
                ours < theirs
            }
            (Self::Aggregate { .. }, Self::Dp) | (Self::Row, _) => true,
        }
    }

    const fn with_people_min(self, people_min: Option<u32>) -> Self {
        match (self, people_min) {
            (Self::Aggregate { .. }, Some(people_min)) => Self::Aggregate { people_min },
            _ => self,
        }
    }
}

/// The name in `purposes.yaml`, and what it means.
impl fmt::Display for OutputMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate { people_min } => {
                write!(f, "aggregate over {people_min} people or more")
            }
            Self::Row | Self::Dp => f.write_str(self.as_str()),
        }
    }
}

const OUTPUT_MODES: [(&str, OutputMode); 3] =
    [("row", OutputMode::Row), ("aggregate", OutputMode::AGGREGATE), ("dp", OutputMode::Dp)];

/// One purpose of the tree.
#[derive(Debug)]
pub struct PurposeNode {
    /// The path in the tree.
    pub key: Purpose,
    /// The name for people.
    pub name: String,
    /// What it covers, for people.
    pub description: String,
    /// The form of answers.
    pub output: OutputMode,
    /// What it does with data that a law may want a consent of its own for.
    pub separate: SeparateConsents,
    /// Whether no purpose lies below; only then can it be asked for.
    pub leaf: bool,
    pub(crate) bases: Arc<Bases>,
}

impl PurposeNode {
    /// The legal basis in a jurisdiction; in one that `regimes.yaml` does not know, the strictest.
    pub fn basis(&self, jurisdiction: &str) -> LegalBasis {
        self.bases.in_jurisdiction(jurisdiction)
    }
}

/// The default purpose of a role, and where it is written.
#[derive(Debug)]
pub(crate) struct DefaultPurpose {
    pub(crate) at: Position,
    pub(crate) purpose: Purpose,
}

/// The tree of purposes.
#[derive(Debug, Default)]
pub(crate) struct Purposes {
    pub(crate) by_key: BTreeMap<String, PurposeNode>,
    pub(crate) defaults: BTreeMap<String, DefaultPurpose>,
}

struct Entry {
    key: Purpose,
    name: String,
    description: String,
    output: Option<OutputMode>,
    people_min: Option<u32>,
    separate: Option<SeparateConsents>,
    bases: Option<Arc<Bases>>,
}

impl Purposes {
    pub(crate) const FILE: &str = "purposes.yaml";

    pub(crate) fn read(
        text: &str,
        jurisdictions: &BTreeSet<&str>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut reporter = Reporter { file: Self::FILE, problems };
        let root = reporter.parse(text);
        let keys = ["default_purposes", "purposes"];
        let Some(file) = root.as_ref().and_then(|root| reporter.file(root, &keys)) else {
            return Self::default();
        };
        let mut entries = Entries::new();
        for node in reporter.required_list(file, "purposes") {
            if let Some(entry) = reporter.purpose(node, jurisdictions) {
                let key = entry.key.as_str().to_owned();
                reporter.add(&mut entries, &key, node.at, entry);
            }
        }
        reporter.check_parents(&entries);
        let mut defaults = BTreeMap::new();
        if let Some(section) =
            file.field("default_purposes").and_then(|node| reporter.mapping(node))
        {
            for (role, node) in reporter.entries(section) {
                if let Some(purpose) = reporter.name(node) {
                    defaults.insert(role.to_owned(), DefaultPurpose { at: node.at, purpose });
                }
            }
        }
        Self { by_key: inherit(entries, &mut reporter), defaults }
    }

    pub(crate) fn get(&self, purpose: &Purpose) -> Option<&PurposeNode> {
        self.by_key.get(purpose.as_str())
    }
}

/// Hands output mode and bases down the tree; parents sort before their children.
fn inherit(entries: Entries<Entry>, reporter: &mut Reporter<'_>) -> BTreeMap<String, PurposeNode> {
    let parents: BTreeSet<String> =
        entries.keys().filter_map(|key| parent(key)).map(str::to_owned).collect();
    let mut nodes: BTreeMap<String, PurposeNode> = BTreeMap::new();
    for (key, (at, entry)) in entries {
        let above = parent(&key).and_then(|parent| nodes.get(parent));
        let output = entry.output.or(above.map(|above| above.output));
        if entry.people_min.is_some() && !matches!(output, Some(OutputMode::Aggregate { .. })) {
            let message = format!("`{key}` has a `people_min`, but its answers are no totals");
            reporter.report(at, message, "add `output: aggregate`, or remove `people_min`");
        }
        let output = output.map(|output| output.with_people_min(entry.people_min));
        let separate = entry.separate.or(above.map(|above| above.separate)).unwrap_or_default();
        let bases = entry.bases.or(above.map(|above| Arc::clone(&above.bases)));
        // A missing parent was reported already.
        if parent(&key).is_none() {
            for (field, missing) in [("output", output.is_none()), ("basis", bases.is_none())] {
                if missing {
                    let message = format!("`{key}` has no `{field}`, nor a parent with one");
                    reporter.report(at, message, format!("add `{field}`"));
                }
            }
        }
        // What was reported stays in the tree at its strictest, so that rules which name it are
        // not reported too; nothing is decided by a tree with a problem.
        let output = output.unwrap_or(OutputMode::Dp);
        let bases = bases.unwrap_or_else(|| Arc::new(Bases::strictest()));
        let leaf = !parents.contains(&key);
        let Entry { key: purpose, name, description, .. } = entry;
        let node = PurposeNode { key: purpose, name, description, output, separate, leaf, bases };
        nodes.insert(key, node);
    }
    nodes
}

impl Reporter<'_> {
    fn purpose(&mut self, node: &Node, jurisdictions: &BTreeSet<&str>) -> Option<Entry> {
        let fields = ["key", "name", "description", "output", "people_min", "separate", "basis"];
        let section = self.section(node, &fields)?;
        let key: Option<Purpose> = self.required(section, "key").and_then(|node| self.name(node));
        self.check_root(section, key.as_ref());
        let name = self.required_text(section, "name");
        let description = self.required_text(section, "description");
        let output = section
            .field("output")
            .map(|node| self.choice(node, &OUTPUT_MODES).unwrap_or(OutputMode::Dp));
        let people_min = section.field("people_min").and_then(|node| self.people_min(node));
        let separate =
            section.field("separate").map(|_| self.separate_consents(section, "separate"));
        let bases = section
            .field("basis")
            .map(|node| self.bases(node, jurisdictions).unwrap_or_else(Bases::strictest));
        Some(Entry {
            key: key?,
            name: name.unwrap_or_default().to_owned(),
            description: description.unwrap_or_default().to_owned(),
            output,
            people_min,
            separate,
            bases: bases.map(Arc::new),
        })
    }

    /// One person alone is no group.
    fn people_min(&mut self, node: &Node) -> Option<u32> {
        let least = match &node.value {
            Value::Number(number) => u32::try_from(*number).ok().filter(|least| *least >= 2),
            _ => None,
        };
        if least.is_none() {
            let message = "`people_min` is no number of people from 2 on";
            self.report(node.at, message, "give the fewest people of a total, such as 10");
        }
        least
    }

    /// A consent to a purpose of that name would be taken for another one.
    fn check_root(&mut self, section: Section<'_>, key: Option<&Purpose>) {
        let root = key.and_then(|key| key.as_str().split('.').next());
        if let Some(root) = root.filter(|root| ConsentTopic::RESERVED.contains(root))
            && let Some(node) = section.field("key")
        {
            let message = format!("`{root}` is reserved for consents of its own kind");
            self.report(node.at, message, "choose another name for the purpose");
        }
    }

    fn bases(&mut self, node: &Node, jurisdictions: &BTreeSet<&str>) -> Option<Bases> {
        let section = self.mapping(node)?;
        let default = self.required(section, "default");
        let default = default.and_then(|node| self.choice(node, &LegalBasis::NAMED));
        let mut bases = BTreeMap::new();
        for (place, node) in self.entries(section).into_iter().filter(|(key, _)| *key != "default")
        {
            if !jurisdictions.contains(place) {
                let known = listed(jurisdictions.iter().copied());
                let remedy = format!("use one of {known}, or add it to a regime in regimes.yaml");
                self.report(node.at, format!("`{place}` is not a known jurisdiction"), remedy);
            }
            if let Some(basis) = self.choice(node, &LegalBasis::NAMED) {
                bases.insert(place.to_owned(), basis);
            }
        }
        Some(Bases::new(default?, &bases, jurisdictions.iter().copied()))
    }
}
