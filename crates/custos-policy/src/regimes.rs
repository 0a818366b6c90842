//! `regimes.yaml`: the laws that apply, where, and how long they leave for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use custos_consent::{AgeLimits, AgeRules, SeparateConsent, SeparateConsents, UnknownAge};

use crate::document::{Node, Section, Value, listed};
use crate::problem::{Problem, Reporter};
use crate::tree::Entries;

/// A law on personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regime {
    /// The name in requests, such as `gdpr`.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// Where it applies.
    pub jurisdictions: BTreeSet<String>,
    /// By when the receipt of a request is to be confirmed, if the law says so.
    pub acknowledge: Option<Deadline>,
    /// By when a request is to be answered.
    pub answer: Deadline,
    /// By how much that can be put off once, with a reason.
    pub extension: Option<Deadline>,
    /// By when an opt-out is to be honoured, if the law says so.
    pub opt_out: Option<Deadline>,
    /// The consents that it wants given apart from all others.
    pub separate_consent: SeparateConsents,
    /// Who is too young to consent alone, if the law says so.
    pub minors: Option<AgeLimits>,
}

/// A span of time as a law counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: DeadlineUnit,
}

/// What a law counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineUnit {
    /// Calendar days.
    Days,
    /// Days but weekends and public holidays.
    WorkingDays,
    /// Calendar months.
    Months,
}

impl fmt::Display for Deadline {
    /// As it is written in `regimes.yaml`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, unit)| *unit == self.unit);
        write!(f, "{{{}: {}}}", unit.map_or("", |(name, _)| name), self.count)
    }
}

/// What a law says of the young.
pub(crate) fn in_words(limits: AgeLimits) -> String {
    let AgeLimits { guardian_below, grant_below, unknown_age } = limits;
    let mut said = Vec::new();
    if guardian_below > 0 {
        said.push(format!("a guardian consents below {guardian_below}"));
    }
    if grant_below > 0 {
        said.push(format!("a grant is needed below {grant_below}"));
    }
    match (said.is_empty(), unknown_age) {
        (true, _) => return "nothing".to_owned(),
        (false, UnknownAge::Adult) => {}
        (false, UnknownAge::Minor) => said.push("the unknown are minors".to_owned()),
    }
    said.join(", ")
}

const UNITS: [(&str, DeadlineUnit); 3] = [
    ("days", DeadlineUnit::Days),
    ("working_days", DeadlineUnit::WorkingDays),
    ("months", DeadlineUnit::Months),
];

const UNKNOWN_AGES: [(&str, UnknownAge); 2] =
    [("adult", UnknownAge::Adult), ("minor", UnknownAge::Minor)];

const REGIME_KEYS: [&str; 9] = [
    "key",
    "name",
    "jurisdictions",
    "acknowledge",
    "answer",
    "extension",
    "opt_out",
    "separate_consent",
    "minors",
];

/// No law has anybody of this age or above asked for as a minor.
const OLDEST_LIMIT: u8 = 21;

/// All regimes by key.
#[derive(Debug, Default)]
pub(crate) struct Regimes {
    pub(crate) by_key: BTreeMap<String, Regime>,
}

impl Regimes {
    pub(crate) const FILE: &str = "regimes.yaml";

    pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut reporter = Reporter { file: Self::FILE, problems };
        let mut entries = Entries::new();
        let root = reporter.parse(text);
        if let Some(section) = root.as_ref().and_then(|root| reporter.file(root, &["regimes"])) {
            for node in reporter.required_list(section, "regimes") {
                if let Some(regime) = reporter.regime(node) {
                    let key = regime.key.clone();
                    reporter.add(&mut entries, &key, node.at, regime);
                }
            }
        }
        Self { by_key: entries.into_iter().map(|(key, (_, regime))| (key, regime)).collect() }
    }

    /// Whether some regime names a jurisdiction.
    pub(crate) fn knows(&self, jurisdiction: &str) -> bool {
        self.by_key.values().any(|regime| regime.jurisdictions.contains(jurisdiction))
    }

    /// The separate consents that the laws of a jurisdiction want; where it is not known, those
    /// that any law wants.
    pub(crate) fn separate_consents(&self, jurisdiction: &str) -> SeparateConsents {
        let known = self.knows(jurisdiction);
        let laws = self.by_key.values();
        laws.filter(|law| !known || law.jurisdictions.contains(jurisdiction))
            .flat_map(|law| law.separate_consent.iter())
            .collect()
    }

    /// Who is too young to consent alone, where; nothing if no law says so.
    pub(crate) fn age_rules(&self) -> Option<AgeRules> {
        let laws = self.by_key.values();
        laws.clone().any(|law| law.minors.is_some()).then(|| {
            let limits = |law: &Regime| law.minors.unwrap_or(AgeLimits::NONE);
            laws.flat_map(|law| law.jurisdictions.iter().map(|at| (at.clone(), limits(law))))
                .collect()
        })
    }

    /// The known jurisdictions.
    pub(crate) fn jurisdictions(&self) -> BTreeSet<&str> {
        self.by_key
            .values()
            .flat_map(|regime| regime.jurisdictions.iter().map(String::as_str))
            .collect()
    }
}

impl Reporter<'_> {
    fn regime(&mut self, node: &Node) -> Option<Regime> {
        let section = self.section(node, &REGIME_KEYS)?;
        let key = self.required_text(section, "key");
        let name = self.required_text(section, "name");
        let mut jurisdictions = BTreeSet::new();
        for item in self.required_list(section, "jurisdictions") {
            jurisdictions.extend(self.text(item).map(str::to_owned));
        }
        let acknowledge = self.deadline(section, "acknowledge");
        let answer =
            self.required(section, "answer").and_then(|_| self.deadline(section, "answer"));
        let extension = self.deadline(section, "extension");
        let opt_out = self.deadline(section, "opt_out");
        let separate_consent = self.separate_consents(section, "separate_consent");
        let minors = section.field("minors").map(|node| self.age_limits(node));
        Some(Regime {
            key: key?.to_owned(),
            name: name?.to_owned(),
            jurisdictions,
            acknowledge,
            answer: answer?,
            extension,
            opt_out,
            separate_consent,
            minors: minors.map_or(Some(None), |limits| limits.map(Some))?,
        })
    }

    /// The limits of age of a law. What it leaves out asks for less, but that those of unknown age
    /// are taken for adults has to be said.
    fn age_limits(&mut self, node: &Node) -> Option<AgeLimits> {
        let section = self.section(node, &["guardian_below", "grant_below", "unknown_age"])?;
        self.required(section, "guardian_below");
        let guardian_below = self.years(section, "guardian_below");
        let grant_below = self.years(section, "grant_below");
        let unknown_age = match section.field("unknown_age") {
            Some(node) => self.choice(node, &UNKNOWN_AGES)?,
            None => UnknownAge::default(),
        };
        Some(AgeLimits { guardian_below: guardian_below?, grant_below: grant_below?, unknown_age })
    }

    /// An age in whole years, 0 if it is left out.
    fn years(&mut self, section: Section<'_>, key: &str) -> Option<u8> {
        let Some(node) = section.field(key) else { return Some(0) };
        if let Value::Number(years) = node.value
            && let Ok(years) = u8::try_from(years)
            && years <= OLDEST_LIMIT
        {
            return Some(years);
        }
        self.report(
            node.at,
            format!("`{key}` is not an age"),
            format!("write whole years, {OLDEST_LIMIT} at most"),
        );
        None
    }

    /// The separate consents of a list that may be left out.
    pub(crate) fn separate_consents(
        &mut self,
        section: Section<'_>,
        key: &str,
    ) -> SeparateConsents {
        let words = SeparateConsent::ALL.map(|kind| (kind.as_str(), kind));
        let listed = section.field(key).map(|node| self.list(node)).unwrap_or_default();
        listed.iter().filter_map(|node| self.choice(node, &words)).collect()
    }

    fn deadline(&mut self, section: Section<'_>, key: &str) -> Option<Deadline> {
        let node = section.field(key)?;
        if let Value::Mapping(fields) = &node.value
            && let [(unit, count)] = fields.as_slice()
            && let Value::Number(count) = count.value
            && let Ok(count) = u32::try_from(count)
        {
            return Some(Deadline { count, unit: self.choice(unit, &UNITS)? });
        }
        let units = listed(UNITS.map(|(unit, _)| unit));
        let remedy = format!("write a number of one of {units}, such as `{{days: 30}}`");
        self.report(node.at, format!("`{key}` is not a span of time"), remedy);
        None
    }
}
