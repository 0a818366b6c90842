//! Rows as `COPY ... TO STDOUT` sends them.

mod csv;
mod plain;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::BytesMut;
use chrono_tz::Tz;

use self::csv::Csv;
use self::plain::Plain;
use super::cell::Cell;
use super::column::Column;
use super::context::Context;
use super::sink::Sink;
use super::{EncodeError, announced, binary, columns, expected_bytes, text};

/// What a binary copy begins with: a signature, no flags, and no bytes of extension.
const BINARY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with, in place of a count of columns.
const BINARY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The options of a copy. Characters are single bytes, as PostgreSQL has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    Text {
        delimiter: u8,
        null: String,
    },
    Csv {
        delimiter: u8,
        quote: u8,
        escape: u8,
        null: String,
        /// Whether a line of column names comes first.
        header: bool,
        /// For each column whether all of its values are quoted; columns beyond the end are not.
        force_quote: Vec<bool>,
    },
    Binary,
}

/// Encodes one answer as `CopyData` messages, one a row.
#[derive(Debug)]
pub(crate) struct CopyEncoder {
    schema: SchemaRef,
    writer: Writer,
    zone: Tz,
    /// Whether anything of a binary copy was written.
    has_begun: AtomicBool,
}

#[derive(Debug)]
enum Writer {
    Text(Plain),
    Csv(Csv),
    Binary,
}

impl CopyEncoder {
    /// An encoder for batches of a schema. Instants are written on the wall clock of `zone`.
    pub(crate) fn new(schema: SchemaRef, format: CopyFormat, zone: Tz) -> Self {
        let writer = match format {
            CopyFormat::Text { delimiter, null } => Writer::Text(Plain::new(delimiter, null)),
            CopyFormat::Csv { delimiter, quote, escape, null, header, force_quote } => {
                let single = schema.fields().len() == 1;
                let marks = csv::Marks { delimiter, quote, escape };
                Writer::Csv(Csv { marks, null, header, force_quote, single })
            }
            CopyFormat::Binary => Writer::Binary,
        };
        Self { schema, writer, zone, has_begun: AtomicBool::new(false) }
    }

    /// Appends what comes before the rows, which may be nothing.
    pub(crate) fn header(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut sink = Sink::new(out, 0);
        match &self.writer {
            Writer::Csv(csv) if csv.header => message(&mut sink, |sink| {
                let names = self.schema.fields().iter().map(|field| field.name().as_bytes());
                csv.names(names, sink);
                Ok(())
            }),
            // That of a binary copy goes with what comes first, as clients expect.
            Writer::Text(_) | Writer::Csv(_) | Writer::Binary => Ok(()),
        }
    }

    /// Puts what a binary copy begins with before the first that it holds.
    fn begin(&self, sink: &mut Sink<'_>) {
        if !self.has_begun.swap(true, Ordering::Relaxed) {
            sink.array(BINARY_HEADER);
        }
    }

    /// Appends one message for each row of the range.
    ///
    /// After an error `out` holds the messages of the rows before the one that failed, and no part of
    /// that one.
    pub(crate) fn rows(
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
            message(&mut sink, |sink| match &self.writer {
                Writer::Binary => {
                    self.begin(sink);
                    tuple(&columns, count, row, sink, &mut context)
                }
                Writer::Text(_) | Writer::Csv(_) => self.line(&columns, row, sink, &mut context),
            })?;
        }
        Ok(())
    }

    /// Appends what comes after the rows, which may be nothing.
    pub(crate) fn trailer(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if !matches!(self.writer, Writer::Binary) {
            return Ok(());
        }
        message(&mut Sink::new(out, 0), |sink| {
            self.begin(sink);
            sink.array(BINARY_TRAILER);
            Ok(())
        })
    }

    fn line(
        &self,
        columns: &[Column<'_>],
        row: usize,
        sink: &mut Sink<'_>,
        context: &mut Context,
    ) -> Result<(), EncodeError> {
        let delimiter = match &self.writer {
            Writer::Text(plain) => plain.delimiter,
            Writer::Csv(csv) => csv.marks.delimiter,
            Writer::Binary => return Ok(()),
        };
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                sink.byte(delimiter);
            }
            let cell = column.cell(row).map_err(|fault| EncodeError::of(fault, at))?;
            let from = sink.at();
            text::write(&cell, sink, context).map_err(|fault| EncodeError::of(fault, at))?;
            let null = matches!(cell, Cell::Null);
            match &self.writer {
                Writer::Text(plain) if null => sink.slice(plain.null.as_bytes()),
                Writer::Csv(csv) if null => sink.slice(csv.null.as_bytes()),
                Writer::Text(plain) => plain.escape(from, sink, context),
                Writer::Csv(csv) => csv.escape(from, at, sink, context),
                Writer::Binary => {}
            }
        }
        sink.byte(b'\n');
        Ok(())
    }
}

/// Writes a `CopyData` message, or nothing if its content fails.
#[inline]
fn message(
    sink: &mut Sink<'_>,
    content: impl FnOnce(&mut Sink<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = sink.at();
    sink.byte(b'd');
    let gap = sink.open();
    let written =
        content(sink).and_then(|()| sink.close_message(gap).map_err(|_| EncodeError::RowTooLarge));
    if written.is_err() {
        sink.rewind(start);
    }
    written
}

#[inline]
fn tuple(
    columns: &[Column<'_>],
    count: i16,
    row: usize,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), EncodeError> {
    sink.array(count.to_be_bytes());
    for (at, column) in columns.iter().enumerate() {
        (column.cell(row).and_then(|cell| binary::write(&cell, sink, context)))
            .map_err(|fault| EncodeError::of(fault, at))?;
    }
    Ok(())
}
