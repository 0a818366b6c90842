//! Leave to read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use custos_core::{KeyClass, PrincipalId, Purpose, TableName, Timestamp};

use crate::basis::{Bases, LegalBasis, RowRule};
use crate::column_rule::ColumnRule;
use crate::files::PolicyVersion;
use crate::purposes::OutputMode;

/// What was decided about one column.
#[derive(Debug)]
pub(crate) struct ColumnGrant {
    pub(crate) rule: ColumnRule,
    pub(crate) class: KeyClass,
    pub(crate) determined_by: Arc<[String]>,
    /// Whether it is shown of those only who gave the separate consent to sensitive data.
    pub(crate) separate: bool,
}

/// The column that rows age by.
#[derive(Debug)]
pub(crate) struct EventTime {
    pub(crate) column: String,
    pub(crate) class: KeyClass,
}

/// Leave to read one table, for one purpose, under one version of the policy.
///
/// Only [`PolicySet::decide`](crate::PolicySet::decide) makes one. It can be neither built, copied
/// nor deserialized, so holding it means that the decision was taken, in this process.
///
/// ```
/// fn look(grant: &custos_policy::ReadGrant) -> custos_policy::ColumnRule {
///     grant.column("amount")
/// }
/// ```
/// ```compile_fail
/// fn copy(grant: &custos_policy::ReadGrant) -> custos_policy::ReadGrant {
///     grant.clone()
/// }
/// ```
/// ```compile_fail
/// let grant = custos_policy::ReadGrant::default();
/// ```
#[derive(Debug)]
#[must_use = "a grant that opens nothing is probably a forgotten read"]
pub struct ReadGrant {
    pub(crate) reader: PrincipalId,
    pub(crate) purpose: Purpose,
    pub(crate) table: TableName,
    pub(crate) output: OutputMode,
    pub(crate) columns: BTreeMap<String, ColumnGrant>,
    pub(crate) bases: Arc<Bases>,
    pub(crate) rows: RowRule,
    pub(crate) event_time: Option<Box<EventTime>>,
    pub(crate) retention: Box<[String]>,
    pub(crate) version: PolicyVersion,
    pub(crate) expires_at: Timestamp,
    pub(crate) determined_by: Vec<String>,
}

impl ReadGrant {
    /// Who may read.
    pub const fn reader(&self) -> &PrincipalId {
        &self.reader
    }

    /// What for.
    pub const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Which table.
    pub const fn table(&self) -> &TableName {
        &self.table
    }

    /// Whether the same is shown under it as under another grant: the same rows, and the same of each
    /// column, for the same purpose. Who reads, and until when, does not count.
    pub fn shows_same(&self, other: &Self) -> bool {
        let column = |of: &ColumnGrant| (of.rule, of.separate);
        let columns = |of: &Self| -> Vec<_> {
            of.columns.iter().map(|(name, of)| (name.clone(), column(of))).collect()
        };
        (&self.purpose, &self.table, self.output) == (&other.purpose, &other.table, other.output)
            && (&self.version, self.rows) == (&other.version, other.rows)
            && self.bases == other.bases
            && self.event_time() == other.event_time()
            && columns(self) == columns(other)
    }

    /// In which form answers may be given.
    pub const fn output(&self) -> OutputMode {
        self.output
    }

    /// How a column is shown; one that the decision did not know is absent.
    pub fn column(&self, name: &str) -> ColumnRule {
        self.columns.get(name).map_or(ColumnRule::Absent, |column| column.rule)
    }

    /// Whether a column is shown of those people only who gave the separate consent to sensitive
    /// data, and is null in the rows of others.
    pub fn needs_separate_consent(&self, name: &str) -> bool {
        self.columns.get(name).is_some_and(|column| column.separate)
    }

    /// All columns the decision was about, in order of name, and how each is shown.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnRule)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column.rule))
    }

    /// Whether the key of a class may be unwrapped: some column of it is not absent, or says how old
    /// rows are.
    pub fn opens(&self, class: KeyClass) -> bool {
        class == KeyClass::Core
            || self.aging().is_some_and(|time| time.class == class)
            || self
                .columns
                .values()
                .any(|column| column.class == class && column.rule != ColumnRule::Absent)
    }

    /// The legal basis for people of a jurisdiction; the strictest for an unknown one.
    pub fn basis(&self, jurisdiction: &str) -> LegalBasis {
        self.bases.in_jurisdiction(jurisdiction)
    }

    /// Which rows are visible.
    pub const fn rows(&self) -> RowRule {
        self.rows
    }

    /// The column that [`RowRule::event_time_from`] is held against; none when the table has none,
    /// and so no row has an event time.
    ///
    /// The scan may read it to tell which rows are visible even where [`Self::column`] says that it
    /// is absent from what is shown.
    pub fn event_time(&self) -> Option<&str> {
        self.event_time.as_ref().map(|time| time.column.as_str())
    }

    /// Whether the scan may read a column: because it is shown, or because it says how old rows are.
    pub fn reads(&self, name: &str) -> bool {
        self.column(name) != ColumnRule::Absent
            || self.aging().is_some_and(|time| time.column == name)
    }

    /// The ids of the retention rules that bound the event time, in order.
    pub fn rows_determined_by(&self) -> &[String] {
        &self.retention
    }

    /// The policy it was given under.
    pub const fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// From when on it is void.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The ids of the rules that determined it, in order, each once.
    pub fn determined_by(&self) -> &[String] {
        &self.determined_by
    }

    /// The ids of the rules that determined how a column is shown; none when no rule permits it.
    pub fn column_determined_by(&self, name: &str) -> &[String] {
        self.columns.get(name).map_or(&[], |column| &column.determined_by)
    }

    /// The column that must be read to tell which rows are visible.
    fn aging(&self) -> Option<&EventTime> {
        self.event_time.as_deref().filter(|_| self.rows.reads_event_time())
    }
}

/// The ids of all rules of the columns, and of those that let the purpose be used.
pub(crate) fn rules_of<'a>(
    usage: &'a [String],
    columns: impl IntoIterator<Item = &'a ColumnGrant>,
) -> Vec<String> {
    let columns = columns.into_iter().flat_map(|column| column.determined_by.iter());
    let rules: BTreeSet<&String> = usage.iter().chain(columns).collect();
    rules.into_iter().cloned().collect()
}
