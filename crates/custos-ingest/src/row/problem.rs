//! What can be wrong with a row.

use std::fmt;

use custos_core::{Classify, ErrorKind};

use crate::contract::{Column, LogicalType};

/// Why a row does not keep its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowFault {
    /// A required value is missing.
    MissingValue,
    /// A number is not one, or does not fit its type without rounding.
    BadNumber,
    /// A date or instant is not one of the column's format, or no clock ever showed it.
    BadDate,
    /// A truth value is not one.
    BadBoolean,
    /// A number is below or above the range of its column.
    OutOfRange,
    /// A value is not among those its column accepts.
    NotAccepted,
    /// Bytes are not text in the encoding of the contract.
    InvalidUtf8,
    /// The text holds a NUL character.
    NulByte,
    /// A cell is larger than [`crate::CELL_BYTES_MAX`].
    CellTooLarge,
    /// A row is larger than [`crate::ROW_BYTES_MAX`].
    RowTooLarge,
    /// The row has more or fewer columns than it should.
    WrongColumnCount,
    /// Text follows the closing quote of a cell.
    BadQuoting,
    /// The line is not JSON.
    BadJson,
    /// The line is JSON but no object.
    NotAnObject,
    /// A JSON value has another type than its column.
    WrongType,
    /// An object has one key twice.
    DuplicateKeyInJson,
    /// Objects and arrays are nested deeper than [`crate::JSON_DEPTH_MAX`].
    TooDeep,
}

impl RowFault {
    /// The name in quarantine tables and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingValue => "missing_value",
            Self::BadNumber => "bad_number",
            Self::BadDate => "bad_date",
            Self::BadBoolean => "bad_boolean",
            Self::OutOfRange => "out_of_range",
            Self::NotAccepted => "not_accepted",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NulByte => "nul_byte",
            Self::CellTooLarge => "cell_too_large",
            Self::RowTooLarge => "row_too_large",
            Self::WrongColumnCount => "wrong_column_count",
            Self::BadQuoting => "bad_quoting",
            Self::BadJson => "bad_json",
            Self::NotAnObject => "not_an_object",
            Self::WrongType => "wrong_type",
            Self::DuplicateKeyInJson => "duplicate_key_in_json",
            Self::TooDeep => "too_deep",
        }
    }

    fn remedy(self, column: Option<&Column>) -> String {
        match self {
            Self::MissingValue => {
                "give a value, or make the column nullable in a new contract version"
            }
            Self::BadNumber => return number_remedy(column),
            Self::BadDate => return date_remedy(column),
            Self::BadBoolean => "write `true` or `false`",
            Self::OutOfRange => "correct the value, or widen the range in the contract",
            Self::NotAccepted => "correct the value, or add it to the column's accepted values",
            Self::InvalidUtf8 => {
                "write the file in the contract's encoding, or name the file's encoding there"
            }
            Self::NulByte => {
                "remove NUL characters, or name the file's encoding (UTF-16?) in the contract"
            }
            Self::CellTooLarge => {
                "keep every cell below 1 MiB; a quote that is never closed has this effect too"
            }
            Self::RowTooLarge => "keep every row below 8 MiB",
            Self::WrongColumnCount => {
                "give each row as many columns as the header; quote cells that hold the delimiter"
            }
            Self::BadQuoting => "double the quotes inside a quoted cell",
            Self::BadJson => "write one JSON object on each line",
            Self::NotAnObject => "write one JSON object on each line, not an array or a bare value",
            Self::WrongType => "write the value in the type that the contract gives the column",
            Self::DuplicateKeyInJson => "write every key of an object once",
            Self::TooDeep => "nest objects and arrays at most 64 deep",
        }
        .to_owned()
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with one row, without any of its values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row is refused: {code}{}", in_column(self.column.as_deref()))]
pub struct RowProblem {
    /// The column of the contract, if one is to blame.
    pub column: Option<String>,
    /// What is wrong.
    pub code: RowFault,
    /// What to do about it.
    pub remedy: String,
}

impl RowProblem {
    pub(crate) fn of_row(code: RowFault) -> Self {
        Self { column: None, code, remedy: code.remedy(None) }
    }

    pub(crate) fn of_column(column: &Column, code: RowFault) -> Self {
        Self { column: Some(column.name.clone()), code, remedy: code.remedy(Some(column)) }
    }
}

impl Classify for RowProblem {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some(self.remedy.clone())
    }
}

fn in_column(column: Option<&str>) -> String {
    column.map(|name| format!(" in column `{name}`")).unwrap_or_default()
}

fn number_remedy(column: Option<&Column>) -> String {
    match column.map(|column| column.logical_type) {
        Some(LogicalType::Integer) => {
            "write a whole number of 64 bits in plain digits, without separators".to_owned()
        }
        Some(LogicalType::Decimal { precision, scale }) => format!(
            "write at most {precision} plain digits, {scale} of them after a point, without separators"
        ),
        _ => "write a number in plain digits with a point, without separators".to_owned(),
    }
}

fn date_remedy(column: Option<&Column>) -> String {
    match column.map(|column| (column.format.as_deref(), column.logical_type)) {
        Some((Some(format), _)) => {
            format!("write a date or time that exists, in the form `{format}`")
        }
        Some((None, LogicalType::Date)) => {
            "write a date that exists as `2026-03-01`, or name its `format` in the contract"
                .to_owned()
        }
        _ => "write `2026-03-01T10:00:00+08:00`, or name the column's `format` in the contract"
            .to_owned(),
    }
}
