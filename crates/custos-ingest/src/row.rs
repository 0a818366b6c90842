//! Rows as the reader gives them: typed values, or what is wrong.

mod cell;
mod moment;
mod number;
mod problem;
mod value;

use custos_core::{Redacted, Timestamp};

use crate::contract::Contract;

pub(crate) use cell::{check_value, parse_text};
pub(crate) use moment::{MomentFormat, MomentPattern};
pub use problem::{RowFault, RowProblem};
pub use value::Value;

/// One data row of a file, good or bad.
#[derive(Debug)]
pub struct Record {
    /// The number of the row, from 1; header and blank lines do not count.
    pub number: u64,
    /// The line of the file, from 1, that the row starts on.
    pub line: u64,
    /// The row's bytes without line end, in UTF-8 whatever the file's encoding. A character that
    /// the file's encoding does not know is the byte `FF`. A row refused for its size is cut.
    pub raw: Redacted<Vec<u8>>,
    /// The values, or the first thing that is wrong with the row.
    pub cells: Result<ParsedRow, RowProblem>,
}

/// The values of a row that keeps its contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedRow {
    /// One value a column, in the order of the contract.
    pub values: Vec<Value>,
    /// What the row holds beyond the contract's columns, as a JSON object.
    pub extra: Option<Redacted<String>>,
}

impl ParsedRow {
    /// When the event of the row happened, if its contract and the row tell.
    pub(crate) fn event_time(&self, contract: &Contract) -> Option<Timestamp> {
        self.values[contract.event_time?].instant()
    }

    /// When this version of the record was made, if its contract tells by a time.
    pub(crate) fn version_time(&self, contract: &Contract) -> Option<Timestamp> {
        self.values[contract.version_column?].instant()
    }
}
