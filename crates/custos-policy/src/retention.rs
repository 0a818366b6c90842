//! `retention.yaml`: how long after its event a row may be shown, and when it must be gone.
//!
//! All rules that apply to a table count, and the strictest of them wins. Where no rule applies
//! nothing is shown: that rows may be shown or kept forever is never an omission. A row whose table
//! has no event time, or that lacks its own, has no age that a term could be held against; a rule
//! with a term hides it unless it says that it is shown, and no rule ever deletes it.

mod load;
mod period;

use std::collections::BTreeSet;

use custos_core::{DataCategory, Purpose, TableName, Timestamp};
use serde::{Serialize, Serializer};

pub(crate) use self::load::Known;
pub use self::period::{Period, PeriodError};

/// How long after its event a row may be shown or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// For a period.
    For(Period),
    /// Without end.
    Forever,
}

impl Term {
    /// Reads `forever`, or a period.
    fn parse(text: &str) -> Result<Self, PeriodError> {
        match text {
            "forever" => Ok(Self::Forever),
            _ => text.parse().map(Self::For),
        }
    }

    /// The event time from which on rows are within the term at `now`; none for all rows.
    fn horizon(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            // No row is within a term that the calendar cannot count.
            Self::For(period) => Some(period.before(now).unwrap_or(END_OF_TIME)),
        }
    }
}

impl Serialize for Term {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::For(period) => period.serialize(serializer),
            Self::Forever => serializer.serialize_str("forever"),
        }
    }
}

/// For how long rows may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Showing {
    /// The term.
    pub until: Term,
    /// Whether rows without event time are shown.
    pub undated: bool,
}

/// One rule of `retention.yaml`. An empty selector selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetentionRule {
    /// The name in explanations.
    pub id: String,
    /// Why it is so, for people.
    pub reason: String,
    /// The tables it is about.
    pub tables: Vec<TableName>,
    /// The data categories it is about: it applies to rows of tables that hold values of one of
    /// them, and, as to what is shown, if such a value is.
    pub categories: Vec<DataCategory>,
    /// The purposes for which it limits what is shown, each with those below it.
    pub purposes: Vec<Purpose>,
    /// The jurisdictions in which it holds. Where the jurisdiction is not known, every rule holds.
    pub jurisdictions: Vec<String>,
    /// How long rows may be shown.
    pub show: Option<Showing>,
    /// How long rows may be kept; then they must be deleted, and are not shown meanwhile.
    pub keep: Option<Term>,
    /// The line of the file where it starts.
    pub line: u32,
}

/// What a retention rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) table: &'a TableName,
    /// None when it is not one of `regimes.yaml`.
    pub(crate) jurisdiction: Option<&'a str>,
}

/// Which rows the rules let be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) event_time_from: Option<Timestamp>,
    pub(crate) undated_visible: bool,
    /// The rules that say so, in order; others that apply ask for less.
    pub(crate) determined_by: Vec<String>,
}

impl Window {
    /// Whether a row may be shown, by its event time.
    pub(crate) fn shows(&self, event_time: Option<Timestamp>) -> bool {
        match event_time {
            Some(at) => self.event_time_from.is_none_or(|from| at >= from),
            None => self.undated_visible,
        }
    }
}

/// Which rows of a table are past their time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Rows with an event time before this must be deleted; none when rows may be kept forever. It
    /// is the start of a day in UTC. Rows without event time are never past theirs.
    pub event_time_before: Option<Timestamp>,
    /// The rules that say so, in order.
    pub determined_by: Vec<String>,
}

const END_OF_TIME: Timestamp = Timestamp::from_micros(i64::MAX);
const DAY_MICROS: i64 = 86_400_000_000;

/// The rules, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    pub(crate) rules: Vec<RetentionRule>,
}

impl Retention {
    pub(crate) const FILE: &str = "retention.yaml";

    /// The rows that may be shown for a purpose; none when no rule says so.
    ///
    /// `shown` are the categories of the columns that are shown, `held` those of all columns. What
    /// must be deleted is not shown, except to a `duty` of law: what is still there then is there
    /// for that, under a hold. The bound is the start of a day, so that answers and what is cached
    /// for them hold all day; it errs on the side of hiding.
    pub(crate) fn window(
        &self,
        subject: Subject<'_>,
        purpose: &Purpose,
        (shown, held): (&[&DataCategory], &[&DataCategory]),
        duty: bool,
        now: Timestamp,
    ) -> Option<Window> {
        let showing = self.rules.iter().filter_map(|rule| {
            let show = rule.show?;
            (rule.applies(subject, shown) && rule.is_for(purpose)).then_some((rule, show))
        });
        let showing: Vec<_> = showing.collect();
        let keeping: Vec<_> = self.keeping(subject, held).collect();
        if showing.is_empty() || keeping.is_empty() {
            return None;
        }
        let undated_visible = showing.iter().all(|(_, show)| show.undated);
        let capping = keeping.iter().filter(|_| !duty);
        let horizons: Vec<_> = showing
            .iter()
            .map(|(rule, show)| (*rule, show.until.horizon(now)))
            .chain(capping.map(|(rule, term)| (*rule, term.horizon(now))))
            .collect();
        let (from, mut determined_by) = strictest(&horizons);
        let hiding = showing.iter().filter(|(_, show)| !show.undated);
        determined_by.extend(hiding.map(|(rule, _)| rule.id.clone()));
        Some(Window {
            event_time_from: from.map(day_from),
            undated_visible,
            determined_by: determined_by.into_iter().collect(),
        })
    }

    /// The rows that must be deleted; none when no rule says how long they may be kept.
    pub(crate) fn deletion(
        &self,
        subject: Subject<'_>,
        held: &[&DataCategory],
        now: Timestamp,
    ) -> Option<Deletion> {
        let horizons: Vec<_> = self
            .keeping(subject, held)
            .map(|(rule, term)| (rule, term.horizon(now).filter(|horizon| *horizon <= now)))
            .collect();
        if horizons.is_empty() {
            return None;
        }
        let (before, determined_by) = strictest(&horizons);
        Some(Deletion {
            event_time_before: before.map(day_of),
            determined_by: determined_by.into_iter().collect(),
        })
    }

    fn keeping(
        &self,
        subject: Subject<'_>,
        held: &[&DataCategory],
    ) -> impl Iterator<Item = (&RetentionRule, Term)> {
        self.rules.iter().filter_map(move |rule| {
            let keep = rule.keep?;
            rule.applies(subject, held).then_some((rule, keep))
        })
    }
}

impl RetentionRule {
    fn applies(&self, subject: Subject<'_>, categories: &[&DataCategory]) -> bool {
        let place = |place: &str| self.jurisdictions.iter().any(|known| known == place);
        let within = |category: &DataCategory| {
            self.categories.iter().any(|selected| category.is_within(selected))
        };
        (self.tables.is_empty() || self.tables.contains(subject.table))
            && (self.jurisdictions.is_empty() || subject.jurisdiction.is_none_or(place))
            && (self.categories.is_empty() || categories.iter().any(|category| within(category)))
    }

    fn is_for(&self, purpose: &Purpose) -> bool {
        self.purposes.is_empty() || self.purposes.iter().any(|above| purpose.is_within(above))
    }
}

/// The latest horizon, and the rules that set it.
fn strictest(
    horizons: &[(&RetentionRule, Option<Timestamp>)],
) -> (Option<Timestamp>, BTreeSet<String>) {
    let latest = horizons.iter().map(|(_, horizon)| *horizon).max().flatten();
    let setting = horizons.iter().filter(|(_, horizon)| *horizon == latest);
    (latest, setting.map(|(rule, _)| rule.id.clone()).collect())
}

/// The start of the day in UTC that an instant is in.
fn day_of(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.micros().div_euclid(DAY_MICROS).saturating_mul(DAY_MICROS))
}

/// The first start of a day in UTC that is not before an instant.
fn day_from(at: Timestamp) -> Timestamp {
    let day = day_of(at);
    if day == at { at } else { Timestamp::from_micros(day.micros().saturating_add(DAY_MICROS)) }
}

#[cfg(test)]
mod tests;
