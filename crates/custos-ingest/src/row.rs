//! Rows as the reader gives them: typed values, or what is wrong.

mod cell;
mod moment;
mod number;
mod problem;
mod value;

use chrono::{DateTime, NaiveDate, TimeDelta};
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

    /// The last day on which the person of the row may have been born, if its contract and the row
    /// tell: of a year its last, and of an instant that in the zone where days begin first.
    pub(crate) fn born(&self, contract: &Contract) -> Option<NaiveDate> {
        const FIRST_ZONE_SECONDS: i64 = 14 * 3_600;
        match self.values[contract.birth?] {
            Value::Timestamp(micros) => {
                let there = micros.div_euclid(1_000_000).saturating_add(FIRST_ZONE_SECONDS);
                Some(DateTime::from_timestamp(there, 0)?.date_naive())
            }
            Value::Date(days) => {
                NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(days)))
            }
            Value::Integer(year) => NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 12, 31),
            _ => None,
        }
    }

    /// When this version of the record was made, if its contract tells by a time.
    pub(crate) fn version_time(&self, contract: &Contract) -> Option<Timestamp> {
        self.values[contract.version_column?].instant()
    }
}
