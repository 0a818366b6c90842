//! Explanations as people read them.

use std::fmt;

use super::{ExplainedColumn, ExplainedRows, Explanation, Remedy, RuleReference, Unruled};
use crate::basis::in_words;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.denial {
            None => "may be read".to_owned(),
            Some(denial) => format!("may not be read: {}", denial.reason),
        };
        writeln!(f, "`{}` {verdict}", self.table)?;
        writeln!(f, "  by {} ({}) for `{}`", self.principal, self.roles.join(", "), self.purpose)?;
        writeln!(f, "  at {} under policy {}", self.at, self.version)?;
        if let Some(rule) = self.denial.as_ref().and_then(|denial| denial.rule.as_ref()) {
            writeln!(f, "  {rule}")?;
        }
        for rule in self.usage.iter().filter(|_| self.denial.is_none()) {
            writeln!(f, "  {rule} to act for the purpose")?;
        }
        if !self.columns.is_empty() {
            writeln!(f, "\nColumns")?;
        }
        for column in &self.columns {
            writeln!(f, "  {column}")?;
        }
        if let Some(rows) = &self.rows {
            writeln!(f, "\nRows")?;
            write!(f, "{rows}")?;
        }
        self.fmt_basis(f)?;
        self.fmt_purposes(f)?;
        if !self.remedies.is_empty() {
            writeln!(f, "\nTo see more")?;
        }
        self.remedies.iter().try_for_each(|remedy| writeln!(f, "  {remedy}"))
    }
}

impl Explanation {
    fn fmt_basis(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(basis) = &self.legal_basis else {
            return Ok(());
        };
        writeln!(f, "\nLegal basis")?;
        writeln!(f, "  {} in `{}`, which counts here", basis.basis, basis.jurisdiction)?;
        for (place, basis) in &basis.by_jurisdiction {
            writeln!(f, "  {basis} in `{place}`")?;
        }
        writeln!(f, "  {} wherever else", basis.elsewhere)
    }

    fn fmt_purposes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPurposes")?;
        self.purposes.iter().try_for_each(|tried| match &tried.denied {
            None => writeln!(f, "  `{}` shows {} column(s)", tried.purpose, tried.columns_shown),
            Some(reason) => writeln!(f, "  `{}` is denied: {reason}", tried.purpose),
        })
    }
}

impl fmt::Display for RuleReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}) {}", self.id, self.place(), self.effect.as_str())
    }
}

impl fmt::Display for ExplainedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.shown)?;
        if self.separate_consent {
            f.write_str(", of those who gave separate consent to sensitive data")?;
        }
        if let Some(category) = &self.category {
            write!(f, ", {category}")?;
        }
        for rule in &self.rules {
            write!(f, "; {rule}")?;
        }
        match self.unruled {
            None => Ok(()),
            Some(Unruled::Technical) => f.write_str("; it is about nobody"),
            Some(Unruled::CategoryUnknown) => f.write_str("; it has no category that is known"),
            Some(Unruled::NotPermitted) => f.write_str("; no rule permits it"),
        }
    }
}

impl fmt::Display for ExplainedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  of people {}", in_words(self.people))?;
        for separate in &self.separate {
            writeln!(f, "  who gave the separate consent `{separate}`")?;
        }
        writeln!(f, "  about nobody in particular: {}", seen(self.unattributed))?;
        match (self.event_time_from, &self.event_time) {
            (None, _) => writeln!(f, "  of any age")?,
            (Some(from), Some(column)) => writeln!(f, "  with `{column}` from {from} on")?,
            (Some(from), None) => writeln!(f, "  from {from} on, but the table has no event time")?,
        }
        writeln!(f, "  without event time: {}", seen(self.undated))?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "  {rule} what is shown"))?;
        match self.deleted_before {
            None => writeln!(f, "  kept forever")?,
            Some(before) => writeln!(f, "  deleted if before {before}")?,
        }
        self.deletion_rules.iter().try_for_each(|rule| writeln!(f, "  {rule} what is kept"))
    }
}

fn seen(visible: bool) -> &'static str {
    if visible { "shown" } else { "hidden" }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GrantRole { role, columns } => {
                write!(f, "grant role `{role}`: shows more of {}", columns.join(", "))
            }
            Self::AskForPurpose { purpose, columns } => {
                write!(f, "ask for `{purpose}`: shows more of {}", columns.join(", "))
            }
            Self::NotifyPurpose { purpose } => {
                write!(
                    f,
                    "add `{purpose}` to the contract of the source, if people were told of it"
                )
            }
            Self::CorrectRule { rule: Some(rule) } => {
                let line = rule.line.map(|line| format!(":{line}")).unwrap_or_default();
                write!(f, "correct rule `{}` in {}{line}", rule.id, rule.file)
            }
            Self::CorrectRule { rule: None } => f.write_str("correct the access rules"),
            Self::AddRetentionRule => {
                f.write_str("add rules with `show` and `keep` for the table to retention.yaml")
            }
            Self::CategoriseColumn { column } => {
                write!(f, "give `{column}` a category of categories.yaml in its contract")
            }
        }
    }
}
