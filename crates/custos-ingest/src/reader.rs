//! Reading files under a contract, row by row and in bounded memory.

mod columns;
mod input;
mod json;
mod splitter;
mod transcoder;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use custos_core::Redacted;

use crate::contract::{Contract, Format};
use crate::error::ReadError;
use crate::row::{Record, RowFault, RowProblem};
use columns::Layout;
use json::Shape;
use splitter::{Dialect, Row, SplitError, Splitter};

/// The most bytes a cell may have as it stands in the file, quotes included, in UTF-8.
pub const CELL_BYTES_MAX: usize = 1 << 20;

/// The most bytes a row may have, in UTF-8.
pub const ROW_BYTES_MAX: usize = 8 << 20;

/// How deep objects and arrays may be nested in a line of JSON.
pub const JSON_DEPTH_MAX: usize = 64;

/// Reads one file under a contract.
///
/// As an iterator it gives the rows in order, good and bad. An error means that the file as a
/// whole must be refused, whatever rows came before it, and is the last item.
pub struct Reader {
    contract: Contract,
    file: String,
    is_compressed: bool,
    splitter: Splitter,
    body: Body,
    row: u64,
    is_done: bool,
}

/// How the parts of a row become cells.
enum Body {
    Columns(Layout),
    Json(Shape),
}

impl Reader {
    /// Opens a file, compressed with gzip or not, and reads its header if it has one.
    pub fn open(contract: &Contract, path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_stream(contract, &name, Box::new(file)),
            Err(source) => Err(ReadError::Open { file: name, source }),
        }
    }

    /// Reads a stream as it would a file; `file_name` is what errors call it.
    pub fn from_stream(
        contract: &Contract,
        file_name: &str,
        stream: Box<dyn Read + Send>,
    ) -> Result<Self, ReadError> {
        let input = input::open(file_name, contract.format.encoding(), stream)?;
        let is_compressed = input.is_compressed;
        let (dialect, cell_bytes_max) = match &contract.format {
            Format::Csv(csv) => (
                Dialect { delimiter: Some(csv.delimiter), quote: csv.quote, escape: csv.escape },
                CELL_BYTES_MAX,
            ),
            Format::Ndjson(_) => {
                (Dialect { delimiter: None, quote: None, escape: None }, ROW_BYTES_MAX)
            }
        };
        let mut splitter = Splitter::new(input.stream, dialect, cell_bytes_max);
        let body = match &contract.format {
            Format::Csv(csv) => Body::Columns(
                columns::layout(contract, csv, file_name, &mut splitter)
                    .map_err(|failure| failure.into_read_error(file_name, is_compressed))?,
            ),
            Format::Ndjson(_) => Body::Json(Shape::of(contract)),
        };
        Ok(Self {
            contract: contract.clone(),
            file: file_name.to_owned(),
            is_compressed,
            splitter,
            body,
            row: 0,
            is_done: false,
        })
    }

    /// The header line in UTF-8, if the file has one.
    pub fn header(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Columns(layout) => layout.header.as_deref(),
            Body::Json(_) => None,
        }
    }

    fn read(&mut self) -> Result<Option<Record>, ReadError> {
        let row = match self.splitter.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(None),
            Err(error) => {
                return Err(split_error(error, &self.file, self.is_compressed, self.row));
            }
        };
        self.row += 1;
        let cells = match row_text(&row) {
            Err(fault) => Err(self.body.blame(&self.contract, &row, fault)),
            Ok(text) => match &self.body {
                Body::Columns(layout) => layout.parse(&self.contract, &row, text),
                Body::Json(shape) => shape.parse(&self.contract, text),
            },
        };
        Ok(Some(Record {
            number: self.row,
            line: row.line,
            raw: Redacted::new(row.bytes.to_vec()),
            cells,
        }))
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.read().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("source", &self.contract.id)
            .field("file", &self.file)
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

impl Body {
    /// Names the column of a fault that was found in the bytes of a row, where columns are known.
    fn blame(&self, contract: &Contract, row: &Row<'_>, fault: RowFault) -> RowProblem {
        match self {
            Self::Columns(layout) => layout.blame(contract, row, fault),
            Self::Json(_) => RowProblem::of_row(fault),
        }
    }
}

/// The text of a row, or what makes it unreadable.
fn row_text<'a>(row: &Row<'a>) -> Result<&'a str, RowFault> {
    if let Some(found) = row.fault {
        return Err(found.fault);
    }
    if row.bytes.contains(&0) {
        return Err(RowFault::NulByte);
    }
    std::str::from_utf8(row.bytes).map_err(|_| RowFault::InvalidUtf8)
}

/// Why reading cannot go on after row number `row`.
fn split_error(error: SplitError, file: &str, is_compressed: bool, row: u64) -> ReadError {
    let file = file.to_owned();
    match error {
        SplitError::UnclosedQuote { line } => ReadError::UnclosedQuote { file, line },
        SplitError::Io(source) => match source.kind() {
            io::ErrorKind::UnexpectedEof if is_compressed => ReadError::Truncated { file, row },
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if is_compressed => {
                ReadError::Damaged { file, row }
            }
            _ => ReadError::Io { file, row, source },
        },
    }
}

#[cfg(test)]
mod tests;
