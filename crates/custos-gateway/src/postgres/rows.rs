//! Rows on their way to a client.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use custos_query::{PgType, QueryError, RowStream, Visibility};
use futures::StreamExt;
use pgwire::messages::data::{FieldDescription, RowDescription};
use tokio::time::{Instant, sleep_until};

use super::Stop;
use super::cancel::Cancel;
use super::encode::{CopyEncoder, RowEncoder};
use super::error::PgError;
use super::format::Format;
use super::wire::{Stream, Wire};

/// How many rows are written before it is looked whether they are to be sent.
const ROWS_AT_ONCE: usize = 256;

/// An answer that is being given.
#[derive(Debug)]
pub(super) struct Rows {
    source: Source,
    schema: SchemaRef,
    /// Rows that were computed, and how many of them are out.
    current: Option<(RecordBatch, usize)>,
    /// What the client is told that was done.
    pub(super) tag: &'static str,
    /// The state of consent when it began.
    pub(super) visibility: Option<Arc<Visibility>>,
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Source {
    Stream(Box<RowStream>),
    Nothing,
}

/// How rows are written.
pub(super) enum Writer {
    Rows(RowEncoder),
    Copy(CopyEncoder),
    /// Not at all: they are passed over.
    Nowhere,
}

/// How much of an answer was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) rows: u64,
    /// Whether that was the last of it.
    pub(super) is_all: bool,
}

impl Rows {
    /// The rows of a statement, which may take so long from now on.
    pub(super) fn of(stream: RowStream, tag: &'static str, timeout: Option<Duration>) -> Self {
        Self {
            schema: Arc::clone(stream.schema()),
            source: Source::Stream(Box::new(stream)),
            current: None,
            tag,
            visibility: None,
            deadline: timeout.map(|timeout| Instant::now() + timeout),
        }
    }

    /// Rows of text that are known.
    pub(super) fn told(
        tag: &'static str,
        columns: &[(&str, Vec<String>)],
    ) -> Result<Self, PgError> {
        let schema = text_columns(columns.iter().map(|(name, _)| *name));
        let arrays = columns
            .iter()
            .map(|(_, values)| Arc::new(StringArray::from_iter_values(values)) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
            .map_err(|_| PgError::from(QueryError::Internal))?;
        let current = Some((batch, 0));
        Ok(Self { source: Source::Nothing, schema, current, tag, visibility: None, deadline: None })
    }

    pub(super) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes up to so many rows, or all, as fast as the client takes them.
    pub(super) async fn give<S: Stream>(
        &mut self,
        rows_max: Option<u64>,
        writer: &Writer,
        wire: &mut Wire<S>,
        cancel: &Cancel,
    ) -> Result<Given, Stop> {
        let mut given = 0;
        loop {
            let left = rows_max.map_or(u64::MAX, |most| most.saturating_sub(given));
            if left == 0 {
                return Ok(Given { rows: given, is_all: false });
            }
            let Some((batch, out)) = &mut self.current else {
                match self.next(wire, cancel).await? {
                    Some(batch) => self.current = Some((batch, 0)),
                    None => return Ok(Given { rows: given, is_all: true }),
                }
                continue;
            };
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let until = batch.num_rows().min(out.saturating_add(left.min(ROWS_AT_ONCE)));
            match writer {
                Writer::Rows(encoder) => encoder.data_rows(batch, *out..until, wire.outgoing()),
                Writer::Copy(encoder) => encoder.rows(batch, *out..until, wire.outgoing()),
                Writer::Nowhere => Ok(()),
            }
            .map_err(PgError::from)?;
            given += (until - *out) as u64;
            *out = until;
            if until == batch.num_rows() {
                self.current = None;
            }
            wire.send_if_full().await?;
        }
    }

    /// The next rows, unless there is a reason not to wait for them.
    async fn next<S: Stream>(
        &mut self,
        wire: &mut Wire<S>,
        cancel: &Cancel,
    ) -> Result<Option<RecordBatch>, Stop> {
        let Source::Stream(stream) = &mut self.source else { return Ok(None) };
        let batch = tokio::select! {
            biased;
            batch = stream.next() => batch,
            reason = interrupted(wire, cancel, self.deadline) => return Err(reason),
        };
        match batch {
            Some(batch) => Ok(Some(batch.map_err(PgError::from)?)),
            None => {
                self.source = Source::Nothing;
                Ok(None)
            }
        }
    }
}

/// Resolves when there is a reason to stop what is being done.
pub(super) async fn interrupted<S: Stream>(
    wire: &mut Wire<S>,
    cancel: &Cancel,
    deadline: Option<Instant>,
) -> Stop {
    let overdue = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = cancel.asked() => {
            Stop::Error(PgError::new("57014", "canceling statement due to user request"))
        }
        () = overdue => {
            Stop::Error(PgError::new("57014", "canceling statement due to statement timeout"))
        }
        () = wire.left() => Stop::Gone,
    }
}

/// Columns of text.
pub(super) fn text_columns<'a>(names: impl Iterator<Item = &'a str>) -> SchemaRef {
    let fields = names.map(|name| Field::new(name, DataType::Utf8, false));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The description of columns.
pub(super) fn description(schema: &Schema, formats: &[Format]) -> RowDescription {
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let of = PgType::of_field(field);
        let format = match formats {
            [one] => *one,
            each => each.get(at).copied().unwrap_or(Format::Text),
        };
        FieldDescription::new(
            field.name().clone(),
            0,
            0,
            of.oid,
            of.size,
            of.modifier,
            i16::from(format == Format::Binary),
        )
    });
    RowDescription::new(fields.collect())
}
