//! The forms that rows can have.

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, LineDelimited, Writer};
use axum::http::{HeaderMap, Version, header};

use crate::error::RequestError;

const LINES: &str = "application/x-ndjson";
const ARRAY: &str = "application/json";

/// How the rows of an answer are written.
///
/// Each row is an object with every column, NULL as `null`. Numbers are JSON numbers, decimals with
/// all their digits; instants and dates are strings in ISO 8601; binary values are hexadecimal.
/// Ids fit 53 bits; other integers and decimals may not, and readers that take all numbers as
/// doubles should cast them to VARCHAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One array of all rows.
    Array,
    /// A row a line ([NDJSON](https://github.com/ndjson/ndjson-spec)).
    Lines,
}

impl Format {
    /// What the `accept` headers name first of the two; an array if they name neither.
    pub(super) fn asked_for(headers: &HeaderMap, version: Version) -> Result<Self, RequestError> {
        let named = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .find_map(|range| Self::named(range.trim()));
        let format = named.unwrap_or(Self::Array);
        // There the end of the connection is the end of the answer: a client could not tell an
        // answer that broke off from a whole one. An array at least lacks its bracket.
        if format == Self::Lines && version < Version::HTTP_11 {
            return Err(RequestError::LinesOverHttp10);
        }
        Ok(format)
    }

    fn named(media_type: &str) -> Option<Self> {
        if media_type.eq_ignore_ascii_case(LINES) {
            Some(Self::Lines)
        } else if media_type.eq_ignore_ascii_case(ARRAY) {
            Some(Self::Array)
        } else {
            None
        }
    }

    /// The content type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Array => ARRAY,
            Self::Lines => LINES,
        }
    }

    /// An encoder that has written nothing.
    pub(super) fn encoder(self) -> Encoder {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        match self {
            Self::Array => Encoder::Array(builder.build(Vec::new())),
            Self::Lines => Encoder::Lines(builder.build(Vec::new())),
        }
    }
}

/// Writes rows as bytes that are taken away piece by piece.
pub(super) enum Encoder {
    Array(Writer<Vec<u8>, JsonArray>),
    Lines(Writer<Vec<u8>, LineDelimited>),
}

impl Encoder {
    /// Writes rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), RequestError> {
        // The writer's own text quotes what it could not write.
        match self {
            Self::Array(writer) => writer.write(rows),
            Self::Lines(writer) => writer.write(rows),
        }
        .map_err(|_| RequestError::NotJson)
    }

    /// Writes what comes after the last row.
    pub(super) fn finish(&mut self) -> Result<(), RequestError> {
        match self {
            Self::Array(writer) => writer.finish(),
            Self::Lines(writer) => writer.finish(),
        }
        .map_err(|_| RequestError::NotJson)
    }

    /// Takes what was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Array(writer) => writer.get_mut(),
            Self::Lines(writer) => writer.get_mut(),
        })
    }
}
