//! Contracts: what a source delivers, and what each of its columns is.
//!
//! The form is the [Open Data Contract Standard](https://bitol-io.github.io/open-data-contract-standard/)
//! v3; what it has no word for stands under the custom property `custos`.

mod checks;
mod column;
mod evolution;
mod fields;
mod format;
mod node;
mod problem;
mod quality;
mod resolve;

use chrono_tz::Tz;
use custos_core::{Assurance, ColumnKind, DataCategory, IdentifierType, Purpose, SourceId};
use encoding_rs::Encoding;

use crate::row::{MomentFormat, Value};
use node::Place;
pub use problem::ContractProblem;

/// What one source delivers, checked.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The source.
    pub id: SourceId,
    /// Major, minor and patch number.
    pub version: (u32, u32, u32),
    /// Where the contract stands in its life.
    pub status: Status,
    /// How the files are written.
    pub format: Format,
    /// What a row does to rows that came before it.
    pub write_mode: WriteMode,
    /// The columns that together name a row; empty if nothing does, and the load is the unit.
    pub record_key: Vec<usize>,
    /// The column that says which of two rows with one key is newer.
    pub version_column: Option<usize>,
    /// The column that says when the thing happened.
    pub event_time: Option<usize>,
    /// The column that says when the person whom a row is about was born: a date, or a year.
    pub birth: Option<usize>,
    /// The zone of local times in the files.
    pub time_zone: Tz,
    /// The purposes that people were told of at this source.
    pub purposes: Vec<Purpose>,
    /// The jurisdiction of a subject that no rule assigns; `None` means the strictest.
    pub jurisdiction: Option<String>,
    /// Whether this source may record that somebody gave consent.
    pub consent_authority: bool,
    /// Whether rows about nobody in particular can be seen.
    pub unattributed: Unattributed,
    /// The columns, in the order of the contract.
    pub columns: Vec<Column>,
    pub(crate) file: String,
    pub(crate) version_at: Place,
}

/// Where a contract stands in its life, in the words of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Put forward.
    Proposed,
    /// Being written.
    Draft,
    /// In use.
    Active,
    /// In use, but not for long.
    Deprecated,
    /// Out of use.
    Retired,
}

/// How a source's files are written. Any of them may be compressed with gzip.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Delimited text.
    Csv(CsvFormat),
    /// One JSON object a line.
    Ndjson(NdjsonFormat),
}

/// How delimited text is written.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvFormat {
    /// The ASCII character between cells.
    pub delimiter: u8,
    /// The ASCII character around cells that hold delimiters or line ends; doubled, it stands for
    /// itself. `None` if no character has that meaning.
    pub quote: Option<u8>,
    /// The ASCII character that, inside quotes, makes the next one stand for itself.
    pub escape: Option<u8>,
    /// The encoding, unless a byte order mark names another.
    pub encoding: &'static Encoding,
    /// How columns are told apart.
    pub header: Header,
    /// The cells that mean null, apart from the empty one.
    pub null_values: Vec<String>,
}

/// How lines of JSON are written.
#[derive(Debug, Clone, PartialEq)]
pub struct NdjsonFormat {
    /// The encoding, unless a byte order mark names another.
    pub encoding: &'static Encoding,
}

/// How columns of delimited text are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The first line names them.
    Named,
    /// Each has its place, and the first line is data.
    Positions,
}

/// What a row does to rows that came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Nothing; an equal row with the same key is a duplicate.
    Append,
    /// It supersedes an older row with the same key.
    Upsert,
}

/// Whether rows without a subject can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unattributed {
    /// By nobody.
    Hidden,
    /// Like rows of a person who refused nothing.
    Visible,
}

/// One column of a source.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name in Custos.
    pub name: String,
    /// The name in the header, or the dotted path in a JSON object.
    pub source_name: String,
    /// The place in a file without header, from 0.
    pub position: Option<usize>,
    /// The type.
    pub logical_type: LogicalType,
    /// Whether every row must have a value.
    pub required: bool,
    /// What the column is.
    pub kind: ColumnKind,
    /// What its values tell about a person; `None` if nothing.
    pub category: Option<DataCategory>,
    /// Whom its values name; there exactly for identifiers.
    pub identifier: Option<IdentifierSpec>,
    /// How dates and instants are written: a strftime pattern, `unix` or `unix_ms`. `None` means
    /// ISO 8601 dates and RFC 3339 instants.
    pub format: Option<String>,
    /// The numbers allowed.
    pub range: Option<Range>,
    /// The only values allowed.
    pub accepted_values: Option<Vec<Value>>,
    /// Whether its values are of a special category, sealed under a secret of their own.
    pub sensitive: bool,
    pub(crate) moment: MomentFormat,
    pub(crate) at: Place,
}

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A floating-point number of 64 bits.
    Float,
    /// An exact number.
    Decimal {
        /// How many digits it has at most, up to 38.
        precision: u8,
        /// How many of them stand after the point.
        scale: u8,
    },
    /// Yes or no.
    Boolean,
    /// A calendar date.
    Date,
    /// An instant.
    Timestamp,
}

/// Whom an identifier column names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierSpec {
    /// What its values are.
    pub kind: IdentifierType,
    /// Within what its values are unique, such as the shop that numbered its customers.
    pub scope: Option<String>,
    /// The country of telephone numbers written without one, as two letters.
    pub region: Option<String>,
    /// The part the person plays in the row; `None` for the one whom the row is about.
    pub role: Option<String>,
    /// How sure the source is that it belongs to the person.
    pub assurance: Assurance,
}

/// Bounds of a column of numbers, in the column's type; both are allowed values.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// The smallest number allowed.
    pub min: Option<Value>,
    /// The largest number allowed.
    pub max: Option<Value>,
}

impl Contract {
    /// Reads a contract; `file_name` is what problems call it.
    ///
    /// # Errors
    ///
    /// Every mistake in the text at once, in its order. Text that is no YAML has one.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Vec<ContractProblem>> {
        let root = node::parse(file_name, text).map_err(|problem| vec![problem])?;
        resolve::contract(file_name, &root)
    }

    /// The columns that this version adds to `older`, if rows of both can be read as one table.
    ///
    /// Nullable columns may be added and required ones become nullable; how files are written,
    /// what values are accepted and what purposes were notified may change freely.
    ///
    /// # Errors
    ///
    /// Every change that old files cannot follow.
    pub fn evolution(&self, older: &Self) -> Result<Vec<usize>, Vec<ContractProblem>> {
        evolution::added_columns(self, older)
    }

    /// This contract for text that was brought to UTF-8.
    pub(crate) fn with_utf8(mut self) -> Self {
        match &mut self.format {
            Format::Csv(csv) => csv.encoding = encoding_rs::UTF_8,
            Format::Ndjson(ndjson) => ndjson.encoding = encoding_rs::UTF_8,
        }
        self
    }

    /// This contract with every cell taken as text: reads whatever can be split into cells.
    pub(crate) fn with_any_text(mut self) -> Self {
        for column in &mut self.columns {
            column.logical_type = LogicalType::String;
            column.required = false;
            column.range = None;
            column.accepted_values = None;
        }
        self
    }

    /// The place of a column among [`Contract::columns`].
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Format {
    /// The encoding of the files.
    pub fn encoding(&self) -> &'static Encoding {
        match self {
            Self::Csv(csv) => csv.encoding,
            Self::Ndjson(ndjson) => ndjson.encoding,
        }
    }
}

#[cfg(test)]
mod tests;
