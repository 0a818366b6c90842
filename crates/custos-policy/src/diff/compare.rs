//! Asking two versions of the policies for the same things.

use std::collections::BTreeSet;

use custos_consent::{AgeLimits, AgeRules, RowBasis, SeparateConsent};
use custos_core::{Purpose, TableName, Timestamp};

use super::{Affected, Change, HeadCount, PolicyDiff, Section, ShownColumn};
use crate::basis::{LegalBasis, RowRule, name_of};
use crate::column_rule::ColumnRule;
use crate::dataset::Dataset;
use crate::decision::Decision;
use crate::grant::ReadGrant;
use crate::policy_set::PolicySet;
use crate::principal::{Principal, Right};
use crate::regimes::in_words;

impl PolicyDiff {
    /// Finds what `new` opens and closes, for these principals on these tables.
    ///
    /// What concerns other principals is left out; [`PolicySet::representatives`] of both versions
    /// stand for the roles.
    pub fn between(
        old: &PolicySet,
        new: &PolicySet,
        datasets: &[Dataset],
        principals: &[Principal],
        now: Timestamp,
        people: &HeadCount<'_>,
    ) -> Self {
        let compared = Compared { old, new, datasets, now, people };
        let leaves: BTreeSet<&Purpose> =
            old.leaves().chain(new.leaves()).map(|node| &node.key).collect();
        let mut sections = vec![(None, None, compared.kept()), (None, None, compared.minors())];
        for purpose in &leaves {
            sections.push((None, Some(*purpose), compared.bases(purpose)));
        }
        for principal in principals {
            let affected = Affected::from(principal);
            sections.push((Some(affected.clone()), None, compared.rights(principal, None)));
            for purpose in &leaves {
                let sides = compared.purpose(principal, purpose);
                sections.push((Some(affected.clone()), Some(*purpose), sides));
            }
        }
        sections.sort_by(|a, b| (a.0.is_none(), &a.0, a.1).cmp(&(b.0.is_none(), &b.0, b.1)));
        let (mut opens, mut closes): (Vec<Section>, Vec<Section>) = (Vec::new(), Vec::new());
        for (principal, purpose, sides) in sections {
            for (into, changes) in [(&mut opens, sides.opens), (&mut closes, sides.closes)] {
                if !changes.is_empty() {
                    let (principal, purpose) = (principal.clone(), purpose.cloned());
                    into.push(Section { principal, purpose, changes });
                }
            }
        }
        for sections in [&mut opens, &mut closes] {
            leave_out_repeated(sections);
        }
        Self {
            old: old.version().to_string(),
            new: new.version().to_string(),
            at: now,
            opens,
            closes,
        }
    }
}

/// Leaves out what a named principal with a role has in common with the same one without it, or
/// with anybody who has the role.
fn leave_out_repeated(sections: &mut Vec<Section>) {
    let whole = sections.clone();
    for section in &mut *sections {
        let Some(principal) = &section.principal else { continue };
        let lesser = |other: &&Section| {
            other.purpose == section.purpose
                && other.principal.as_ref().is_some_and(|other| other.is_part_of(principal))
        };
        let told: Vec<&Change> =
            whole.iter().filter(lesser).flat_map(|other| &other.changes).collect();
        section.changes.retain(|change| !told.contains(&change));
    }
    sections.retain(|section| !section.changes.is_empty());
}

impl Affected {
    /// Whether another is this one with a role more, or has the role that this one stands for.
    fn is_part_of(&self, other: &Self) -> bool {
        let stands_for_role = self.roles == [self.name.clone()];
        (self.name == other.name || stands_for_role)
            && self.roles.len() <= other.roles.len()
            && self.roles.iter().all(|role| other.roles.contains(role))
            && self != other
    }
}

/// The two versions, and what they are asked about.
#[derive(Clone, Copy)]
struct Compared<'a> {
    old: &'a PolicySet,
    new: &'a PolicySet,
    datasets: &'a [Dataset],
    now: Timestamp,
    people: &'a HeadCount<'a>,
}

/// What one section opens and closes.
#[derive(Default)]
struct Sides {
    opens: Vec<Change>,
    closes: Vec<Change>,
}

impl Sides {
    /// Adds a change, or the tables of one to the same change of others.
    fn add(&mut self, opens: bool, change: Change) {
        let side = if opens { &mut self.opens } else { &mut self.closes };
        let same = side.iter_mut().find(|other| other.without_tables() == change.without_tables());
        match (same.and_then(Change::tables_mut), change) {
            (Some(tables), mut change) => {
                tables.extend(change.tables_mut().map(std::mem::take).unwrap_or_default());
            }
            (None, change) => side.push(change),
        }
    }
}

impl Change {
    fn tables_mut(&mut self) -> Option<&mut Vec<TableName>> {
        match self {
            Self::People { tables, .. }
            | Self::Separate { tables, .. }
            | Self::Age { tables, .. }
            | Self::Undated { tables }
            | Self::Kept { tables, .. } => Some(tables),
            Self::Use
            | Self::Table { .. }
            | Self::Column { .. }
            | Self::SensitiveColumn { .. }
            | Self::Basis { .. }
            | Self::Minors { .. }
            | Self::Output { .. }
            | Self::Right { .. } => None,
        }
    }

    fn without_tables(&self) -> Self {
        let mut change = self.clone();
        if let Some(tables) = change.tables_mut() {
            tables.clear();
        }
        change
    }
}

impl Compared<'_> {
    fn purpose(&self, principal: &Principal, purpose: &Purpose) -> Sides {
        let mut sides = self.rights(principal, Some(purpose));
        let before = self.old.may_use(principal, purpose).is_ok();
        let after = self.new.may_use(principal, purpose).is_ok();
        if before != after {
            sides.add(after, Change::Use);
        }
        let mut output = None;
        for dataset in self.datasets {
            let grant = |policies: &PolicySet| match policies
                .decide(principal, purpose, dataset, self.now)
            {
                Decision::Permit(grant) => Some(grant),
                Decision::Deny(_) => None,
            };
            match (grant(self.old), grant(self.new)) {
                (None, None) => {}
                (None, Some(after)) => sides.add(true, self.table(&after)),
                (Some(before), None) => sides.add(false, self.table(&before)),
                (Some(before), Some(after)) => {
                    columns(&mut sides, &before, &after);
                    self.rows(&mut sides, &before, &after);
                    output = Some((before.output(), after.output()));
                }
            }
        }
        if let Some((before, after)) = output.filter(|(before, after)| before != after) {
            let change = Change::Output { from: before.to_string(), to: after.to_string() };
            sides.add(after.may_show_more_than(before), change);
        }
        sides
    }

    fn table(&self, grant: &ReadGrant) -> Change {
        let shown = grant.columns().filter(|(_, shown)| *shown != ColumnRule::Absent);
        Change::Table {
            table: grant.table().clone(),
            columns: shown
                .map(|(name, shown)| ShownColumn { name: name.to_owned(), shown })
                .collect(),
            people: self.heads(grant.purpose(), grant.rows()),
        }
    }

    /// The people of whom some row may be shown, by its age or else by their consent alone.
    fn heads(&self, purpose: &Purpose, rows: RowRule) -> Option<u64> {
        let whatever_age = RowRule { event_time_from: None, ..rows };
        (self.people)(purpose, rows).or_else(|| (self.people)(purpose, whatever_age))
    }

    /// Compares which rows are shown, one part of the rule at a time, and by how many people that
    /// part alone changes what is shown.
    fn rows(&self, sides: &mut Sides, before: &ReadGrant, after: &ReadGrant) {
        let tables = || vec![after.table().clone()];
        let (old, new) = (before.rows(), after.rows());
        let purpose = after.purpose();
        if old.basis != new.basis {
            let change = Change::People {
                tables: tables(),
                from: name_of(old.basis),
                to: name_of(new.basis),
                people: self
                    .heads(purpose, RowRule { basis: old.basis, ..new })
                    .zip(self.heads(purpose, new))
                    .map(|(old, new)| old.abs_diff(new)),
            };
            sides.add(demand(new.basis) < demand(old.basis), change);
        }
        if old.separate != new.separate {
            let change = Change::Separate {
                tables: tables(),
                from: old.separate.iter().map(SeparateConsent::as_str).collect(),
                to: new.separate.iter().map(SeparateConsent::as_str).collect(),
                people: self
                    .heads(purpose, RowRule { separate: old.separate, ..new })
                    .zip(self.heads(purpose, new))
                    .map(|(old, new)| old.abs_diff(new)),
            };
            sides.add(!old.separate.is_within(new.separate), change);
        }
        if old.event_time_from != new.event_time_from {
            let change = Change::Age {
                tables: tables(),
                from: old.event_time_from,
                to: new.event_time_from,
                people: (self.people)(
                    purpose,
                    RowRule { event_time_from: old.event_time_from, ..new },
                )
                .zip((self.people)(purpose, new))
                .map(|(old, new)| old.abs_diff(new)),
            };
            sides.add(new.event_time_from < old.event_time_from, change);
        }
        if old.undated_visible != new.undated_visible {
            sides.add(new.undated_visible, Change::Undated { tables: tables() });
        }
    }

    fn rights(&self, principal: &Principal, purpose: Option<&Purpose>) -> Sides {
        let mut sides = Sides::default();
        for right in Right::ALL {
            let before = self.old.permits(principal, right, purpose).is_ok();
            let after = self.new.permits(principal, right, purpose).is_ok();
            if before != after {
                sides.add(after, Change::Right { right: right.as_str() });
            }
        }
        sides
    }

    /// Compares the legal bases of a purpose that both versions know.
    fn bases(&self, purpose: &Purpose) -> Sides {
        let mut sides = Sides::default();
        let (Some(old), Some(new)) = (self.old.purpose(purpose), self.new.purpose(purpose)) else {
            return sides;
        };
        let mut compare = |place: Option<&str>, before: LegalBasis, after: LegalBasis| {
            if before != after {
                let (from, to) = (before.as_str(), after.as_str());
                let jurisdiction = place.map(str::to_owned);
                sides.add(after < before, Change::Basis { jurisdiction, from, to });
            }
        };
        let places: BTreeSet<&str> =
            self.old.jurisdictions().chain(self.new.jurisdictions()).collect();
        for place in places {
            compare(Some(place), old.basis(place), new.basis(place));
        }
        compare(None, old.bases.elsewhere(), new.bases.elsewhere());
        sides
    }

    /// Compares who is too young to consent alone.
    fn minors(&self) -> Sides {
        let mut sides = Sides::default();
        let (old, new) = (self.old.age_rules(), self.new.age_rules());
        let limits = |rules: Option<&AgeRules>, place: Option<&str>| {
            rules.map_or(AgeLimits::NONE, |rules| rules.limits(place))
        };
        let places: BTreeSet<&str> =
            self.old.jurisdictions().chain(self.new.jurisdictions()).collect();
        for place in places.into_iter().map(Some).chain([None]) {
            let (before, after) = (limits(old.as_ref(), place), limits(new.as_ref(), place));
            if before != after {
                let change = Change::Minors {
                    jurisdiction: place.map(str::to_owned),
                    from: in_words(before),
                    to: in_words(after),
                };
                sides.add(after != after.stricter(before), change);
            }
        }
        sides
    }

    /// Compares when rows must be deleted.
    fn kept(&self) -> Sides {
        let mut sides = Sides::default();
        for dataset in self.datasets {
            let before = |policies: &PolicySet| {
                policies.deletion(dataset, self.now).ok().and_then(|it| it.event_time_before)
            };
            let (from, to) = (before(self.old), before(self.new));
            if from != to {
                sides
                    .add(to < from, Change::Kept { tables: vec![dataset.table.clone()], from, to });
            }
        }
        sides
    }
}

fn columns(sides: &mut Sides, before: &ReadGrant, after: &ReadGrant) {
    for (column, to) in after.columns() {
        let from = before.column(column);
        let separate = [before, after].map(|grant| grant.needs_separate_consent(column));
        if from != to {
            let (table, column) = (after.table().clone(), column.to_owned());
            // Another mask may show what the first one hid.
            sides.add(!from.shows_more_than(to), Change::Column { table, column, from, to });
        } else if separate[0] != separate[1] && to != ColumnRule::Absent {
            let (table, column) = (after.table().clone(), column.to_owned());
            let needed = separate[1];
            sides.add(!needed, Change::SensitiveColumn { table, column, needed });
        }
    }
}

/// What is asked of people, from least to most.
const fn demand(basis: RowBasis) -> u8 {
    match basis {
        RowBasis::Always => 0,
        RowBasis::UnlessRestricted => 1,
        RowBasis::UnlessObjected => 2,
        RowBasis::NeedsGrant => 3,
    }
}
