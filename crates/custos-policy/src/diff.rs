//! What a change of the policies opens and what it closes.

mod compare;
mod text;

use custos_core::{Purpose, TableName, Timestamp};
use serde::Serialize;

use crate::basis::RowRule;
use crate::column_rule::ColumnRule;
use crate::principal::Principal;

/// What differs between two versions of the policies, in what principals may see and do.
///
/// [`PolicyDiff::between`] finds it by asking both versions for the same things; nothing is derived
/// from the texts, so a rule that changes nothing is no difference. What cannot
/// be told to show less, such as another mask, counts as opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// The version before, in hex.
    pub old: String,
    /// The version after, in hex.
    pub new: String,
    /// As of when terms of retention were compared.
    pub at: Timestamp,
    /// What may be seen and done now and could not be before.
    pub opens: Vec<Section>,
    /// What could be seen and done before and may not be now.
    pub closes: Vec<Section>,
}

/// What changes for one principal and one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// For whom; none for what holds whoever asks.
    pub principal: Option<Affected>,
    /// For which purpose; none for what holds whatever is asked for.
    pub purpose: Option<Purpose>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// Whom a change affects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Affected {
    /// The principal's name.
    pub name: String,
    /// The principal's roles.
    pub roles: Vec<String>,
}

impl From<&Principal> for Affected {
    fn from(principal: &Principal) -> Self {
        Self { name: principal.id.to_string(), roles: principal.roles.clone() }
    }
}

/// One change, and what it affects.
///
/// `people` says how many people it makes visible where it opens, and hides where it closes; none
/// when nobody counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// The principal may act for the purpose, or may not any more.
    Use,
    /// A table may be read, or may not be any more.
    Table {
        /// The table.
        table: TableName,
        /// Its columns that are shown, each in which form.
        columns: Vec<ShownColumn>,
        /// How many people have rows that the purpose shows.
        people: Option<u64>,
    },
    /// A column is shown in another form.
    Column {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The form before.
        from: ColumnRule,
        /// The form after.
        to: ColumnRule,
    },
    /// Whether a column is shown of those people only who gave the separate consent to sensitive
    /// data.
    SensitiveColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Whether the consent is needed now, and was not before.
        needed: bool,
    },
    /// The separate consents that are needed before rows are shown.
    Separate {
        /// The tables.
        tables: Vec<TableName>,
        /// Those before.
        from: Vec<&'static str>,
        /// Those now.
        to: Vec<&'static str>,
        /// By how many people more or fewer are visible.
        people: Option<u64>,
    },
    /// What is asked of people before their rows are shown.
    People {
        /// The tables.
        tables: Vec<TableName>,
        /// What was asked before.
        from: &'static str,
        /// What is asked now.
        to: &'static str,
        /// By how many people more or fewer are visible.
        people: Option<u64>,
    },
    /// How old rows may be.
    Age {
        /// The tables.
        tables: Vec<TableName>,
        /// The earliest event time before; none for any.
        from: Option<Timestamp>,
        /// The earliest event time now; none for any.
        to: Option<Timestamp>,
        /// By how many people more or fewer are visible.
        people: Option<u64>,
    },
    /// Whether rows without event time are shown: now they are, or now they are not.
    Undated {
        /// The tables.
        tables: Vec<TableName>,
    },
    /// The legal basis of the purpose for people of a jurisdiction.
    Basis {
        /// The jurisdiction; none for all that are not known.
        jurisdiction: Option<String>,
        /// The basis before.
        from: &'static str,
        /// The basis now.
        to: &'static str,
    },
    /// Who is too young to consent alone.
    Minors {
        /// The jurisdiction; none for all that are not known.
        jurisdiction: Option<String>,
        /// What the laws said before.
        from: String,
        /// What they say now.
        to: String,
    },
    /// The form in which answers may be given.
    Output {
        /// The form before.
        from: String,
        /// The form now.
        to: String,
    },
    /// A right beyond reading.
    Right {
        /// Its name in the access rules.
        right: &'static str,
    },
    /// When rows must be deleted: later where it opens, earlier where it closes.
    Kept {
        /// The tables.
        tables: Vec<TableName>,
        /// Rows with an event time before this had to be deleted; none when they were kept.
        from: Option<Timestamp>,
        /// Rows with an event time before this must be deleted now.
        to: Option<Timestamp>,
    },
}

/// A column that is shown, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownColumn {
    /// Its name.
    pub name: String,
    /// The form.
    pub shown: ColumnRule,
}

/// Counts the people whose rows a purpose shows under a rule; none when it cannot tell.
///
/// What it is asked to compare differs in the basis or in the event time, and both are to be
/// heeded: a count that leaves one out would say that nobody is newly visible. One that knows
/// nothing of event times answers rules without one only; then what does not turn on age is
/// compared by rows of any age.
pub type HeadCount<'a> = dyn Fn(&Purpose, RowRule) -> Option<u64> + 'a;

impl PolicyDiff {
    /// Whether nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.opens.is_empty() && self.closes.is_empty()
    }

    /// How many changes open something.
    pub fn opening(&self) -> usize {
        self.opens.iter().map(|section| section.changes.len()).sum()
    }

    /// How many changes close something.
    pub fn closing(&self) -> usize {
        self.closes.iter().map(|section| section.changes.len()).sum()
    }
}
