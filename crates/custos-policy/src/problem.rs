//! Mistakes in policy files.

use std::fmt;

use custos_core::{Classify, ErrorKind};

/// One mistake in a policy file, where it is and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's name inside `policies/`.
    pub file: String,
    /// The line, from 1; none when the file as a whole is meant.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {} ({})", self.message, self.remedy)
    }
}

impl std::error::Error for Problem {}

impl Classify for Problem {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some(self.remedy.clone())
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Position {
    /// The place of the byte `offset` in `text`; an offset past the end is the end.
    pub(crate) fn of_offset(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: count(before.matches('\n').count() + 1),
            column: count(before[line_start..].chars().count() + 1),
        }
    }
}

/// Collects what is wrong with one file.
#[derive(Debug)]
pub(crate) struct Reporter<'a> {
    pub(crate) file: &'a str,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl Reporter<'_> {
    /// Notes a problem with the file as a whole, or at a place in it.
    pub(crate) fn report(
        &mut self,
        at: impl Into<Option<Position>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let at = at.into();
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            message: message.into(),
            remedy: remedy.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns_in_characters() {
        let at = |offset| Position::of_offset("ab\né x\n", offset);
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(3), Position { line: 2, column: 1 });
        assert_eq!(at(6), Position { line: 2, column: 3 });
        assert_eq!(at(99), Position { line: 3, column: 1 });
    }
}
