//! From record batches to the bytes that PostgreSQL's clients read.

mod binary;
mod calendar;
mod cell;
mod column;
mod context;
mod copy;
mod decimal;
mod digits;
mod float;
mod interval;
mod json;
mod list;
mod offsets;
mod sink;
mod text;

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::BytesMut;
use chrono_tz::Tz;

use self::cell::{Cell, Fault};
use self::column::Column;
use self::context::Context;
use self::sink::Sink;
use super::format::Format;

pub(crate) use self::calendar::Civil;
pub(crate) use self::column::{DATES, TIMESTAMPS};
pub(crate) use self::copy::{CopyEncoder, CopyFormat};
pub(crate) use self::offsets::looked_up;

#[cfg(test)]
mod tests;

/// Bytes that a cell is expected to take, so that most answers are encoded into memory taken once.
const CELL_BYTES: usize = 16;

/// The most memory that is taken before there is anything to put into it, in bytes.
const EXPECTED_BYTES_MAX: usize = 1 << 20;

/// Why rows could not be encoded. It names a column by its place and never what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("a value of column {column} is outside of what its PostgreSQL type holds")]
    OutOfRange { column: usize },

    #[error("a text of column {column} holds a zero byte, which PostgreSQL's text cannot")]
    NulInText { column: usize },

    #[error("a value of column {column} is too large for the protocol")]
    TooLarge { column: usize },

    #[error("column {column} has a type that cannot be sent")]
    Unsupported { column: usize },

    #[error("a row is too large for the protocol")]
    RowTooLarge,

    #[error("there are more columns than the protocol has numbers for")]
    TooManyColumns,

    #[error("a batch is not of the schema that was announced, or has fewer rows than asked for")]
    NotAsAnnounced,
}

impl EncodeError {
    const fn of(fault: Fault, column: usize) -> Self {
        match fault {
            Fault::OutOfRange => Self::OutOfRange { column },
            Fault::NulInText => Self::NulInText { column },
            Fault::TooLarge => Self::TooLarge { column },
            Fault::Unsupported => Self::Unsupported { column },
        }
    }
}

/// Encodes the rows of one answer as `DataRow` messages.
#[derive(Debug)]
pub(crate) struct RowEncoder {
    schema: SchemaRef,
    formats: Vec<Format>,
    zone: Tz,
}

impl RowEncoder {
    /// An encoder for batches of a schema.
    ///
    /// `formats` are as a `Bind` message has them: none for text only, one for all columns, or one for
    /// each. Columns beyond them are text. Instants are written on the wall clock of `zone`.
    pub(crate) fn new(schema: SchemaRef, formats: &[Format], zone: Tz) -> Self {
        let format = |column| match formats {
            [one] => *one,
            each => each.get(column).copied().unwrap_or(Format::Text),
        };
        let formats = (0..schema.fields().len()).map(format).collect();
        Self { schema, formats, zone }
    }

    /// Appends one `DataRow` message for each row of the range.
    ///
    /// After an error `out` holds the messages of the rows before the one that failed, and no part of
    /// that one.
    pub(crate) fn data_rows(
        &self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let batch = announced(&self.schema, batch, rows)?;
        let columns = columns(&batch)?;
        let count = i16::try_from(columns.len()).map_err(|_| EncodeError::TooManyColumns)?;
        let mut context = Context::new(self.zone);
        let mut sink = Sink::new(out, expected_bytes(&batch));
        for row in 0..batch.num_rows() {
            let start = sink.at();
            let written = self.row(&columns, count, row, &mut sink, &mut context);
            if let Err(error) = written {
                sink.rewind(start);
                return Err(error);
            }
        }
        Ok(())
    }

    #[inline]
    fn row(
        &self,
        columns: &[Column<'_>],
        count: i16,
        row: usize,
        sink: &mut Sink<'_>,
        context: &mut Context,
    ) -> Result<(), EncodeError> {
        sink.byte(b'D');
        let message = sink.open();
        sink.array(count.to_be_bytes());
        for (at, (column, format)) in columns.iter().zip(&self.formats).enumerate() {
            let written = match format {
                Format::Text => text_value(column, row, sink, context),
                Format::Binary => {
                    column.cell(row).and_then(|cell| binary::write(&cell, sink, context))
                }
            };
            written.map_err(|fault| EncodeError::of(fault, at))?;
        }
        sink.close_message(message).map_err(|_| EncodeError::RowTooLarge)
    }
}

/// Writes the length of a value and its text, or -1 for a null.
#[inline]
fn text_value(
    column: &Column<'_>,
    row: usize,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    match column.cell(row)? {
        // Their bytes are the same in both formats, and their length is known beforehand.
        cell @ (Cell::Null | Cell::Text(_)) => binary::write(&cell, sink, context),
        cell => {
            let gap = sink.open();
            text::write(&cell, sink, context)?;
            sink.close(gap)
        }
    }
}

/// The rows of a batch that are asked for, if they are there and of the types that were announced.
fn announced(
    schema: &SchemaRef,
    batch: &RecordBatch,
    rows: Range<usize>,
) -> Result<RecordBatch, EncodeError> {
    let types = |column: usize| schema.fields().get(column).map(|field| field.data_type());
    let alike = batch.num_columns() == schema.fields().len()
        && (batch.columns().iter().enumerate())
            .all(|(at, array)| types(at).is_some_and(|known| known == array.data_type()));
    if !alike || rows.start > rows.end || rows.end > batch.num_rows() {
        return Err(EncodeError::NotAsAnnounced);
    }
    Ok(batch.slice(rows.start, rows.len()))
}

fn columns(batch: &RecordBatch) -> Result<Vec<Column<'_>>, EncodeError> {
    (batch.columns().iter().enumerate())
        .map(|(at, array)| Column::new(array.as_ref()).map_err(|fault| EncodeError::of(fault, at)))
        .collect()
}

fn expected_bytes(batch: &RecordBatch) -> usize {
    let cells = batch.num_rows().saturating_mul(batch.num_columns());
    cells.saturating_mul(CELL_BYTES).min(EXPECTED_BYTES_MAX)
}
