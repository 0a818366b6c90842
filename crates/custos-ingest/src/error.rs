//! Why a file cannot be read.

use std::io;

use custos_core::{Classify, ErrorKind};

use crate::row::RowFault;

/// A file cannot be read, and the load of it must be refused as a whole.
///
/// Messages name files, columns and row numbers, and never what a row says.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("`{file}` cannot be opened")]
    Open {
        /// The file.
        file: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },

    /// Reading failed on the way.
    #[error("`{file}` cannot be read on after row {row}")]
    Io {
        /// The file.
        file: String,
        /// The last row that was read.
        row: u64,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },

    /// The file holds nothing.
    #[error("`{file}` is empty")]
    Empty {
        /// The file.
        file: String,
    },

    /// A compressed file ends too early.
    #[error("the compressed file `{file}` ends too early, after row {row}")]
    Truncated {
        /// The file.
        file: String,
        /// The last row that was read.
        row: u64,
    },

    /// A compressed file is damaged.
    #[error("the compressed file `{file}` is damaged after row {row}")]
    Damaged {
        /// The file.
        file: String,
        /// The last row that was read.
        row: u64,
    },

    /// The file's byte order mark contradicts the contract.
    #[error("`{file}` starts with a UTF-16 byte order mark, but the contract says `{encoding}`")]
    WrongEncoding {
        /// The file.
        file: String,
        /// The encoding of the contract.
        encoding: &'static str,
    },

    /// The header is no line of text.
    #[error("the header of `{file}` cannot be read: {fault}")]
    BadHeader {
        /// The file.
        file: String,
        /// What is wrong with the line.
        fault: RowFault,
    },

    /// The first line names none of the contract's columns, so it is not repeated here.
    #[error(
        "the first line of `{file}` names no column of the contract; it has {found} columns, the contract lists {expected}"
    )]
    NoHeader {
        /// The file.
        file: String,
        /// How many columns the first line has.
        found: usize,
        /// How many columns the contract lists.
        expected: usize,
        /// The delimiter that the line was split by.
        delimiter: char,
    },

    /// The header lacks a column of the contract.
    #[error("the header of `{file}` has no column `{column}`; found: [{}]", .found.join(", "))]
    MissingColumn {
        /// The file.
        file: String,
        /// The column's name as the file should have it.
        column: String,
        /// The names in the header; a cell that does not look like a name is a `?`.
        found: Vec<String>,
    },

    /// The header names one column twice.
    #[error("columns {first} and {second} in the header of `{file}` have the same name")]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The place of the first, from 1.
        first: usize,
        /// The place of the second, from 1.
        second: usize,
    },

    /// A quoted cell has no end.
    #[error("in `{file}` the row that starts on line {line} has a quote that is never closed")]
    UnclosedQuote {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
}

impl Classify for ReadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Open { .. } | Self::Io { .. } => ErrorKind::Unavailable,
            Self::Empty { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::WrongEncoding { .. }
            | Self::BadHeader { .. }
            | Self::NoHeader { .. }
            | Self::MissingColumn { .. }
            | Self::DuplicateColumn { .. }
            | Self::UnclosedQuote { .. } => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open { .. } => "check the path and that it may be read".to_owned(),
            Self::Io { .. } => "load the file again once it can be read to its end".to_owned(),
            Self::Empty { .. } => {
                "export the file again: an export without rows still has a header".to_owned()
            }
            Self::Truncated { .. } | Self::Damaged { .. } => {
                "fetch the file again and check its size; nothing of it may be loaded".to_owned()
            }
            Self::WrongEncoding { .. } => {
                "write `encoding: utf-16` in the contract, or export the file anew".to_owned()
            }
            Self::BadHeader { .. } => {
                "check the contract's `encoding`, `quote` and `delimiter` against the file"
                    .to_owned()
            }
            Self::NoHeader { found: 1, delimiter, .. } => {
                format!("the header has 1 column; is the delimiter {} right?", named(*delimiter))
            }
            Self::NoHeader { delimiter, .. } => format!(
                "write `header: false` in the contract if the file has no header, and check the delimiter {}",
                named(*delimiter)
            ),
            Self::MissingColumn { .. } => {
                "deliver the column, or name it by the property's `physicalName`".to_owned()
            }
            Self::DuplicateColumn { .. } => "give every column a name of its own".to_owned(),
            Self::UnclosedQuote { .. } => {
                "close the quote, or check the contract's `quote`; the file may be cut off"
                    .to_owned()
            }
        })
    }
}

fn named(delimiter: char) -> String {
    match delimiter {
        '\t' => "tab".to_owned(),
        other => format!("`{other}`"),
    }
}
