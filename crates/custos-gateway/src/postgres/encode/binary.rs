//! Values as PostgreSQL's send functions write them, each behind its length.

use super::cell::{Cell, Fault};
use super::context::Context;
use super::sink::Sink;
use super::{json, list};

/// What stands for the length of a null.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Writes the length of a value and the value, or -1 for a null.
#[inline]
pub(crate) fn write(
    cell: &Cell<'_>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    match cell {
        Cell::Null => sink.array(NULL),
        Cell::Bool(value) => sink.array([0, 0, 0, 1, u8::from(*value)]),
        Cell::Int2(value) => {
            let [a, b] = value.to_be_bytes();
            sink.array([0, 0, 0, 2, a, b]);
        }
        Cell::Int4(value) | Cell::Date(value) => four(value.to_be_bytes(), sink),
        Cell::Float4(value) => four(value.to_be_bytes(), sink),
        Cell::Int8(value) | Cell::Time(value) | Cell::Timestamp(value) | Cell::Instant(value) => {
            eight(value.to_be_bytes(), sink);
        }
        Cell::Float8(value) => eight(value.to_be_bytes(), sink),
        Cell::Numeric(value) => value.binary(sink),
        Cell::Text(bytes) | Cell::Bytea(bytes) => {
            let length = i32::try_from(bytes.len()).map_err(|_| Fault::TooLarge)?;
            sink.array(length.to_be_bytes());
            sink.slice(bytes);
        }
        Cell::Interval(interval) => interval.binary(sink),
        Cell::List(items) if items.element.is_some() => list::binary(items, sink, context)?,
        Cell::List(_) | Cell::Struct(_, _) | Cell::Map(_, _, _) | Cell::Variant(_, _) => {
            let gap = sink.open();
            json::write(cell, sink, context)?;
            sink.close(gap)?;
        }
    }
    Ok(())
}

#[inline]
fn four([a, b, c, d]: [u8; 4], sink: &mut Sink<'_>) {
    sink.array([0, 0, 0, 4, a, b, c, d]);
}

#[inline]
fn eight([a, b, c, d, e, f, g, h]: [u8; 8], sink: &mut Sink<'_>) {
    sink.array([0, 0, 0, 8, a, b, c, d, e, f, g, h]);
}
