//! Why somebody sees of a table what they see.

mod text;

use std::collections::BTreeMap;

use custos_core::{DataCategory, Purpose, TableName, Timestamp};
use serde::Serialize;

use crate::column_rule::ColumnRule;

/// What a decision was and what led to it, for people and, serialized, for programs.
///
/// [`PolicySet::explain`](crate::PolicySet::explain) makes it out of the evaluation that decides, so
/// it cannot say other than what holds. It is no grant: nothing can be read with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who asks.
    pub principal: String,
    /// The roles they have.
    pub roles: Vec<String>,
    /// What for.
    pub purpose: Purpose,
    /// Which table.
    pub table: TableName,
    /// As of when.
    pub at: Timestamp,
    /// The version of the policies, in hex.
    pub version: String,
    /// Why the table may not be read; none when it may.
    pub denial: Option<ExplainedDenial>,
    /// The rules that let the principal act for the purpose, or kept them from it.
    pub usage: Vec<RuleReference>,
    /// How each column is shown, in order of name; none when the table may not be read.
    pub columns: Vec<ExplainedColumn>,
    /// Which rows are shown; none when the table may not be read.
    pub rows: Option<ExplainedRows>,
    /// What the legal bases of the purpose are; none when it is not known.
    pub legal_basis: Option<ExplainedBasis>,
    /// What would be if each purpose were asked for, in order of key.
    pub purposes: Vec<TriedPurpose>,
    /// What would let the principal see more, each by itself.
    pub remedies: Vec<Remedy>,
}

/// Why a table may not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedDenial {
    /// The reason, in words.
    pub reason: String,
    /// The rule that forbade it or could not be evaluated.
    pub rule: Option<RuleReference>,
}

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleReference {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: RuleEffect,
    /// The file.
    pub file: &'static str,
    /// The line where it starts.
    pub line: Option<u32>,
}

impl RuleReference {
    /// The file, and the line if it is known.
    pub fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}", self.file)
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEffect {
    /// It permits.
    Permits,
    /// It forbids, whatever others permit.
    Forbids,
    /// It bounds the age of rows.
    Limits,
}

impl RuleEffect {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permits => "permits",
            Self::Forbids => "forbids",
            Self::Limits => "limits",
        }
    }
}

/// How a column is shown, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedColumn {
    /// Its name.
    pub name: String,
    /// What its values tell.
    pub category: Option<DataCategory>,
    /// How it is shown.
    pub shown: ColumnRule,
    /// Whether only of those who gave the separate consent to sensitive data.
    pub separate_consent: bool,
    /// The rules that permitted that, and those that forbade more.
    pub rules: Vec<RuleReference>,
    /// What decided where no rule did.
    pub unruled: Option<Unruled>,
}

/// Why a column is shown as it is without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unruled {
    /// It is technical, about nobody.
    Technical,
    /// It has no category, or one that `categories.yaml` does not list.
    CategoryUnknown,
    /// No rule permits it.
    NotPermitted,
}

/// Which rows are shown, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRows {
    /// What the legal basis asks of the people whose rows they are.
    pub people: &'static str,
    /// The separate consents that are asked of them besides.
    pub separate: Vec<&'static str>,
    /// Whether rows about nobody in particular are shown.
    pub unattributed: bool,
    /// The column that rows age by.
    pub event_time: Option<String>,
    /// The earliest event time that is shown; none when rows of any age are.
    pub event_time_from: Option<Timestamp>,
    /// Whether rows without event time are shown.
    pub undated: bool,
    /// The retention rules that say so.
    pub rules: Vec<RuleReference>,
    /// Rows with an earlier event time must be deleted.
    pub deleted_before: Option<Timestamp>,
    /// The retention rules that say so.
    pub deletion_rules: Vec<RuleReference>,
}

/// The legal bases of a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedBasis {
    /// The jurisdiction that counts for the table.
    pub jurisdiction: String,
    /// The basis there.
    pub basis: &'static str,
    /// The basis in each known jurisdiction.
    pub by_jurisdiction: BTreeMap<String, &'static str>,
    /// The basis where the jurisdiction is not known.
    pub elsewhere: &'static str,
}

/// What would be if a purpose were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriedPurpose {
    /// The purpose.
    pub purpose: Purpose,
    /// Why the table may not be read for it; none when it may.
    pub denied: Option<String>,
    /// How many columns would be shown in some form.
    pub columns_shown: usize,
}

/// Something that would let a principal see more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Remedy {
    /// Give them a role.
    GrantRole {
        /// The role.
        role: String,
        /// The columns that it would show, or show more of.
        columns: Vec<String>,
    },
    /// Ask for another purpose, which they may act for.
    AskForPurpose {
        /// The purpose.
        purpose: Purpose,
        /// The columns that it would show, or show more of.
        columns: Vec<String>,
    },
    /// Name the purpose in the contract of the source, if people were told of it there.
    NotifyPurpose {
        /// The purpose.
        purpose: Purpose,
    },
    /// Correct a rule that cannot be evaluated.
    CorrectRule {
        /// The rule; none when the request itself could not be put.
        rule: Option<RuleReference>,
    },
    /// Say in `retention.yaml` how long rows of the table may be shown and kept.
    AddRetentionRule,
    /// Give a column a category that `categories.yaml` lists.
    CategoriseColumn {
        /// The column.
        column: String,
    },
}
