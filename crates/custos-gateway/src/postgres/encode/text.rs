//! Values as PostgreSQL's output functions write them.

use super::calendar::{self, EPOCH_DAYS, SECOND_MICROS, Style};
use super::cell::{Cell, Fault};
use super::context::Context;
use super::sink::Sink;
use super::{digits, float, json, list};

const UNIX_SECONDS: i64 = EPOCH_DAYS * 86_400;

/// Writes a value that is not null; of a null nothing.
#[inline]
pub(crate) fn write(
    cell: &Cell<'_>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    match cell {
        Cell::Null => {}
        Cell::Bool(value) => sink.byte(if *value { b't' } else { b'f' }),
        Cell::Int2(value) => digits::signed(i64::from(*value), sink),
        Cell::Int4(value) => digits::signed(i64::from(*value), sink),
        Cell::Int8(value) => digits::signed(*value, sink),
        Cell::Float4(value) => float::single(*value, sink),
        Cell::Float8(value) => float::double(*value, sink),
        Cell::Numeric(value) => value.text(sink),
        Cell::Text(text) => sink.slice(text),
        Cell::Bytea(bytes) => hexadecimal(bytes, sink),
        Cell::Date(days) => calendar::date(*days, sink),
        Cell::Time(micros) => calendar::time(*micros, sink),
        Cell::Timestamp(micros) => calendar::timestamp(*micros, None, Style::Iso, sink),
        Cell::Instant(micros) => instant(*micros, Style::Iso, sink, context),
        Cell::Interval(interval) => interval.text(sink),
        Cell::List(items) if items.element.is_some() => list::text(items, sink, context)?,
        Cell::List(_) | Cell::Struct(_, _) | Cell::Map(_, _, _) | Cell::Variant(_, _) => {
            json::write(cell, sink, context)?;
        }
    }
    Ok(())
}

/// Writes an instant on the wall clock of the session's zone.
#[inline]
pub(crate) fn instant(micros: i64, style: Style, sink: &mut Sink<'_>, context: &mut Context) {
    let seconds = micros.div_euclid(SECOND_MICROS) + UNIX_SECONDS;
    calendar::timestamp(micros, Some(context.offsets.at(seconds)), style, sink);
}

fn hexadecimal(bytes: &[u8], sink: &mut Sink<'_>) {
    sink.array(*b"\\x");
    for byte in bytes {
        sink.array([nibble(byte >> 4), nibble(byte & 15)]);
    }
}

pub(crate) const fn nibble(number: u8) -> u8 {
    if number < 10 { b'0' + number } else { b'a' + number - 10 }
}
