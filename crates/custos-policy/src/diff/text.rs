//! Differences as a compliance officer reads them.

use std::fmt;

use custos_core::{TableName, Timestamp};

use super::{Affected, Change, PolicyDiff, Section, ShownColumn};
use crate::basis::in_words;

impl fmt::Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Policies {} -> {}, as of {}", short(&self.old), short(&self.new), self.at)?;
        side(f, "opens", &self.opens)?;
        side(f, "closes", &self.closes)
    }
}

/// The names of separate consents.
fn separate(kinds: &[&str]) -> String {
    if kinds.is_empty() { "no".to_owned() } else { kinds.join(" and ") }
}

/// Enough of a version to tell it from others; the whole one is in the serialized form.
fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}

fn side(f: &mut fmt::Formatter<'_>, does: &str, sections: &[Section]) -> fmt::Result {
    if sections.is_empty() {
        return writeln!(f, "\nThe change {does} nothing.");
    }
    writeln!(f, "\nThe change {does}:")?;
    for section in sections {
        match (&section.principal, &section.purpose) {
            (Some(affected), Some(purpose)) => writeln!(f, "\n  To {affected}, for `{purpose}`")?,
            (Some(affected), None) => writeln!(f, "\n  To {affected}, whatever the purpose")?,
            (None, Some(purpose)) => writeln!(f, "\n  For `{purpose}`, whoever asks")?,
            (None, None) => writeln!(f, "\n  Whatever the purpose, whoever asks")?,
        }
        for change in &section.changes {
            writeln!(f, "  - {}", Told { change, opens: does == "opens" })?;
        }
    }
    Ok(())
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.roles.as_slice() {
            [role] if *role == self.name => write!(f, "role `{role}`"),
            [] => write!(f, "`{}`, who has no role", self.name),
            roles => write!(f, "`{}` ({})", self.name, roles.join(", ")),
        }
    }
}

/// A change in words.
struct Told<'a> {
    change: &'a Change,
    opens: bool,
}

impl Told<'_> {
    fn either(&self, opens: &'static str, closes: &'static str) -> &'static str {
        if self.opens { opens } else { closes }
    }

    /// `; 12 people more`, if somebody counted.
    fn more_or_fewer(&self, people: Option<u64>) -> String {
        let direction = self.either("more", "fewer");
        people.map(|people| format!("; {} {direction}", heads(people))).unwrap_or_default()
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.change {
            Change::Use => {
                write!(f, "{} act for the purpose", self.either("may", "may no longer"))
            }
            Change::Table { table, columns, people } => {
                let may = self.either("may read", "may no longer read");
                let of = people.map(|people| format!("; {}", heads(people))).unwrap_or_default();
                write!(f, "{may} `{table}`: {}{of}", shown(columns))
            }
            Change::Column { table, column, from, to } => {
                write!(f, "column `{column}` of `{table}` is {to}, was {from}")
            }
            Change::People { tables, from, to, people } => {
                let (to, from) = (in_words(to), in_words(from));
                let by = self.more_or_fewer(*people);
                write!(
                    f,
                    "rows of {} are those of people {to}, were of people {from}{by}",
                    named(tables)
                )
            }
            Change::SensitiveColumn { table, column, needed } => {
                let whom = if *needed { "only of" } else { "not only of" };
                write!(
                    f,
                    "column `{column}` of `{table}` is shown {whom} people who gave separate \
                     consent to sensitive data"
                )
            }
            Change::Separate { tables, from, to, people } => {
                let (to, from) = (separate(to), separate(from));
                let by = self.more_or_fewer(*people);
                write!(f, "rows of {} need {to} separate consent, needed {from}{by}", named(tables))
            }
            Change::Age { tables, from, to, people } => {
                let (to, from) = (since(*to), since(*from));
                let by = self.more_or_fewer(*people);
                write!(f, "rows of {} are shown {to}, were {from}{by}", named(tables))
            }
            Change::Undated { tables } => {
                let are = self.either("are shown", "are no longer shown");
                write!(f, "rows of {} without event time {are}", named(tables))
            }
            Change::Basis { jurisdiction, from, to } => {
                write!(f, "the legal basis {} is {to}, was {from}", place(jurisdiction.as_ref()))
            }
            Change::Minors { jurisdiction, from, to } => {
                write!(f, "of the young {} {to}, was {from}", place(jurisdiction.as_ref()))
            }
            Change::Output { from, to } => write!(f, "answers are by {to}, were by {from}"),
            Change::Right { right } => {
                write!(f, "{} the right `{right}`", self.either("gains", "loses"))
            }
            Change::Kept { tables, from, to } => {
                let (to, from) = (until(*to), until(*from));
                write!(f, "rows of {} are {to}, were {from}", named(tables))
            }
        }
    }
}

fn place(jurisdiction: Option<&String>) -> String {
    let place = jurisdiction.map(|place| format!("in `{place}`"));
    place.unwrap_or_else(|| "where the jurisdiction is unknown".to_owned())
}

fn heads(people: u64) -> String {
    if people == 1 { "1 person".to_owned() } else { format!("{people} people") }
}

fn named(tables: &[TableName]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    tables.join(", ")
}

fn shown(columns: &[ShownColumn]) -> String {
    if columns.is_empty() {
        return "no column, only how many rows there are".to_owned();
    }
    let columns = columns.iter().map(|column| format!("`{}` {}", column.name, column.shown));
    columns.collect::<Vec<_>>().join(", ")
}

fn since(from: Option<Timestamp>) -> String {
    from.map_or_else(|| "of any age".to_owned(), |from| format!("from {from} on"))
}

fn until(before: Option<Timestamp>) -> String {
    let deleted = |before| format!("deleted if before {before}");
    before.map_or_else(|| "kept forever".to_owned(), deleted)
}
