//! Arrays of one dimension.

use super::cell::{Cell, Fault, List};
use super::context::Context;
use super::sink::Sink;
use super::{binary, text};

/// Writes `{1,NULL,"a b"}`.
pub(crate) fn text(
    list: &List<'_>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    sink.byte(b'{');
    for row in list.range.clone() {
        if row != list.range.start {
            sink.byte(b',');
        }
        let cell = list.items.cell(row)?;
        if matches!(cell, Cell::Null) {
            sink.array(*b"NULL");
            continue;
        }
        let from = sink.at();
        text::write(&cell, sink, context)?;
        if needs_quotes(sink.tail(from)) {
            context.rewrite(from, sink, quoted);
        }
    }
    sink.byte(b'}');
    Ok(())
}

/// Whether an item would be read as something else, or not at all, without quotes.
fn needs_quotes(item: &[u8]) -> bool {
    item.is_empty()
        || item.eq_ignore_ascii_case(b"null")
        || item
            .iter()
            .any(|byte| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r'))
}

fn quoted(item: &[u8], sink: &mut Sink<'_>) {
    sink.byte(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            sink.byte(b'\\');
        }
        sink.byte(*byte);
    }
    sink.byte(b'"');
}

/// Writes the length and the binary form: dimensions, whether there are nulls, the type of the items,
/// how many there are and that they count from 1, and each behind its length.
pub(crate) fn binary(
    list: &List<'_>,
    sink: &mut Sink<'_>,
    context: &mut Context,
) -> Result<(), Fault> {
    let gap = sink.open();
    let count = i32::try_from(list.range.len()).map_err(|_| Fault::TooLarge)?;
    sink.array(i32::from(count > 0).to_be_bytes());
    let mut nulls = 0_u32;
    let flag = sink.open();
    sink.array(list.element.unwrap_or(0).to_be_bytes());
    if count > 0 {
        sink.array(count.to_be_bytes());
        sink.array(1_i32.to_be_bytes());
    }
    for row in list.range.clone() {
        let cell = list.items.cell(row)?;
        nulls |= u32::from(matches!(cell, Cell::Null));
        binary::write(&cell, sink, context)?;
    }
    sink.fill(flag, nulls);
    sink.close(gap)
}
