//! The forms that rows can have.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, LineDelimited, Writer};
use axum::http::{HeaderMap, Version, header};
use custos_query::ParquetPieces;

use crate::error::RequestError;
use crate::wire_schema::{as_schema, wire_schema};

/// How the rows of an answer are written.
///
/// In JSON each row is an object with every column, NULL as `null`. Numbers are JSON numbers,
/// decimals with all their digits; instants and dates are strings in ISO 8601; binary values are
/// hexadecimal. Ids fit 53 bits; other integers and decimals may not, and readers that take all
/// numbers as doubles should cast them to VARCHAR. CSV is that of
/// [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) with the names of the columns first; NULL is
/// nothing between two commas, and so is an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One array of all rows.
    Array,
    /// A row a line ([NDJSON](https://github.com/ndjson/ndjson-spec)).
    Lines,
    /// A line a row, after one with the names of the columns.
    Csv,
    /// A stream of [Arrow's messages](https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format),
    /// without dictionaries and views.
    Arrow,
    /// One Parquet file.
    Parquet,
}

impl Format {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Array, Self::Lines, Self::Csv, Self::Arrow, Self::Parquet];

    /// What the `accept` headers name first of these; an array if they name none.
    pub(crate) fn asked_for(headers: &HeaderMap, version: Version) -> Result<Self, RequestError> {
        let named = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .find_map(|range| Self::named(range.trim()));
        let format = named.unwrap_or(Self::Array);
        // There the end of the connection is the end of the answer: a client could not tell an
        // answer that broke off from a whole one. The other forms have an end of their own.
        if matches!(format, Self::Lines | Self::Csv) && version < Version::HTTP_11 {
            return Err(RequestError::LinesOverHttp10);
        }
        Ok(format)
    }

    fn named(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| media_type.eq_ignore_ascii_case(format.content_type()))
    }

    /// The content type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// An encoder of rows with these columns.
    pub(super) fn encoder(self, columns: &SchemaRef) -> Result<Encoder, RequestError> {
        let json = WriterBuilder::new().with_explicit_nulls(true);
        let encoder = match self {
            Self::Array => Encoder::Array(json.build(Vec::new())),
            Self::Lines => Encoder::Lines(json.build(Vec::new())),
            Self::Csv => {
                let mut written = Vec::new();
                write_csv(&mut written, &RecordBatch::new_empty(SchemaRef::clone(columns)), true)
                    .map_err(unwritable)?;
                Encoder::Csv(written)
            }
            Self::Arrow => {
                let schema = wire_schema(columns);
                let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(unwritable)?;
                Encoder::Arrow(Box::new(writer), schema)
            }
            Self::Parquet => {
                let schema = wire_schema(columns);
                Encoder::Parquet(Box::new(ParquetPieces::new(&schema)?), schema)
            }
        };
        Ok(encoder)
    }
}

fn write_csv(to: impl Write, rows: &RecordBatch, named: bool) -> Result<(), ArrowError> {
    arrow::csv::WriterBuilder::new().with_header(named).build(to).write(rows)
}

/// The writers' own texts quote what they could not write.
fn unwritable(_: ArrowError) -> RequestError {
    RequestError::Unwritable
}

/// Writes rows as bytes that are taken away piece by piece.
pub(super) enum Encoder {
    Array(Writer<Vec<u8>, JsonArray>),
    Lines(Writer<Vec<u8>, LineDelimited>),
    Csv(Vec<u8>),
    Arrow(Box<StreamWriter<Vec<u8>>>, SchemaRef),
    Parquet(Box<ParquetPieces>, SchemaRef),
}

impl Encoder {
    /// Writes rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), RequestError> {
        match self {
            Self::Array(writer) => writer.write(rows),
            Self::Lines(writer) => writer.write(rows),
            Self::Csv(written) => write_csv(written, rows, false),
            Self::Arrow(writer, schema) => {
                as_schema(rows, schema).and_then(|rows| writer.write(&rows))
            }
            Self::Parquet(writer, schema) => {
                let rows = as_schema(rows, schema).map_err(unwritable)?;
                return Ok(writer.write(&rows)?);
            }
        }
        .map_err(unwritable)
    }

    /// Writes what comes after the last row.
    pub(super) fn finish(&mut self) -> Result<(), RequestError> {
        match self {
            Self::Array(writer) => writer.finish(),
            Self::Lines(writer) => writer.finish(),
            Self::Csv(_) => Ok(()),
            Self::Arrow(writer, _) => writer.finish(),
            Self::Parquet(writer, _) => return Ok(writer.finish()?),
        }
        .map_err(unwritable)
    }

    /// Takes what was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Array(writer) => std::mem::take(writer.get_mut()),
            Self::Lines(writer) => std::mem::take(writer.get_mut()),
            Self::Csv(written) => std::mem::take(written),
            Self::Arrow(writer, _) => std::mem::take(writer.get_mut()),
            Self::Parquet(writer, _) => writer.take(),
        }
    }
}
