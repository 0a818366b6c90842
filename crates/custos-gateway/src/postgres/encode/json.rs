//! What PostgreSQL has no type for, as JSON without spaces.
//!
//! Values within are as `to_json` writes them: numbers and booleans bare, all else as text.

use std::ops::Range;

use super::calendar::{self, Style};
use super::cell::{Cell, Fault, List};
use super::column::{Column, Member};
use super::context::Context;
use super::sink::Sink;
use super::text::{self, nibble};

/// Writes any value.
pub(crate) fn write(
    cell: &Cell<'_>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    match cell {
        Cell::Null => sink.array(*b"null"),
        Cell::Bool(true) => sink.array(*b"true"),
        Cell::Bool(false) => sink.array(*b"false"),
        Cell::Int2(_) | Cell::Int4(_) | Cell::Int8(_) | Cell::Numeric(_) => {
            text::write(cell, sink, context)?;
        }
        Cell::Float4(value) if value.is_finite() => text::write(cell, sink, context)?,
        Cell::Float8(value) if value.is_finite() => text::write(cell, sink, context)?,
        Cell::Timestamp(micros) => {
            sink.byte(b'"');
            calendar::timestamp(*micros, None, Style::Xsd, sink);
            sink.byte(b'"');
        }
        Cell::Instant(micros) => {
            sink.byte(b'"');
            text::instant(*micros, Style::Xsd, sink, context);
            sink.byte(b'"');
        }
        Cell::Text(value) => quoted(value, sink),
        Cell::List(list) => array(list, sink, context)?,
        Cell::Struct(members, row) => object(members, *row, sink, context)?,
        Cell::Map(keys, values, range) => map(keys, values, range.clone(), sink, context)?,
        Cell::Variant(child, row) => write(&child.cell(*row)?, sink, context)?,
        Cell::Float4(_)
        | Cell::Float8(_)
        | Cell::Bytea(_)
        | Cell::Date(_)
        | Cell::Time(_)
        | Cell::Interval(_) => {
            let from = sink.at();
            text::write(cell, sink, context)?;
            context.rewrite(from, sink, quoted);
        }
    }
    Ok(())
}

fn array(list: &List<'_>, sink: &mut Sink<'_>, context: &mut Context) -> Result<(), Fault> {
    sink.byte(b'[');
    for row in list.range.clone() {
        if row != list.range.start {
            sink.byte(b',');
        }
        write(&list.items.cell(row)?, sink, context)?;
    }
    sink.byte(b']');
    Ok(())
}

fn object(
    members: &[Member<'_>],
    row: usize,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    sink.byte(b'{');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            sink.byte(b',');
        }
        quoted(member.name.as_bytes(), sink);
        sink.byte(b':');
        write(&member.column.cell(row)?, sink, context)?;
    }
    sink.byte(b'}');
    Ok(())
}

fn map(
    keys: &Member<'_>,
    values: &Member<'_>,
    range: Range<usize>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    sink.byte(b'{');
    for row in range.clone() {
        if row != range.start {
            sink.byte(b',');
        }
        key(&keys.column, row, sink, context)?;
        sink.byte(b':');
        write(&values.column.cell(row)?, sink, context)?;
    }
    sink.byte(b'}');
    Ok(())
}

/// Writes a key: the text of a value, of whichever type it is.
fn key(
    keys: &Column<'_>,
    row: usize,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    let from = sink.at();
    text::write(&keys.cell(row)?, sink, context)?;
    context.rewrite(from, sink, quoted);
    Ok(())
}

fn quoted(text: &[u8], sink: &mut Sink<'_>) {
    sink.byte(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => sink.array([b'\\', *byte]),
            8 => sink.array(*b"\\b"),
            12 => sink.array(*b"\\f"),
            b'\n' => sink.array(*b"\\n"),
            b'\r' => sink.array(*b"\\r"),
            b'\t' => sink.array(*b"\\t"),
            0..32 => sink.array([b'\\', b'u', b'0', b'0', nibble(byte >> 4), nibble(byte & 15)]),
            _ => sink.byte(*byte),
        }
    }
    sink.byte(b'"');
}
