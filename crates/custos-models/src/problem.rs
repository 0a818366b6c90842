//! Mistakes in model files.

use std::fmt;

use custos_core::{Classify, ErrorKind};

/// One mistake in a model's file, where it is and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's path inside its folder of models, with `/` between the parts.
    pub file: String,
    /// The line, from 1; none when the file as a whole is meant.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
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

/// Collects what is wrong with one file.
#[derive(Debug)]
pub(crate) struct Reporter<'a> {
    pub(crate) file: &'a str,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl Reporter<'_> {
    /// Notes a problem with the file as a whole, or at a line of it.
    pub(crate) fn report(
        &mut self,
        line: impl Into<Option<u32>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: line.into(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }
}

/// The line of the byte `offset` in `text`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().iter().take(offset);
    u32::try_from(before.filter(|&&byte| byte == b'\n').count() + 1).unwrap_or(u32::MAX)
}

/// Names in backticks, for a remedy.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
