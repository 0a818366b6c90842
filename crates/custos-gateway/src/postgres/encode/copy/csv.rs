//! The CSV format of `COPY`.

use crate::postgres::encode::context::Context;
use crate::postgres::encode::sink::Sink;

/// The characters with a meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub delimiter: u8,
    pub quote: u8,
    pub escape: u8,
}

#[derive(Debug)]
pub(super) struct Csv {
    pub marks: Marks,
    pub null: String,
    pub header: bool,
    pub force_quote: Vec<bool>,
    /// Whether there is one column only: its `\.` alone on a line would end the copy.
    pub single: bool,
}

impl Csv {
    /// Writes the line of column names.
    pub(super) fn names<'a>(&self, names: impl Iterator<Item = &'a [u8]>, sink: &mut Sink<'_>) {
        for (at, name) in names.enumerate() {
            if at > 0 {
                sink.byte(self.marks.delimiter);
            }
            if self.needs_quotes(name) {
                self.quoted(name, sink);
            } else {
                sink.slice(name);
            }
        }
        sink.byte(b'\n');
    }

    /// Quotes what was written from a place on, if it needs it or the column is always quoted.
    #[inline]
    pub(super) fn escape(
        &self,
        from: usize,
        column: usize,
        sink: &mut Sink<'_>,
        context: &mut Context,
    ) {
        let forced = self.force_quote.get(column).copied().unwrap_or(false);
        if forced || self.needs_quotes(sink.tail(from)) {
            context.rewrite(from, sink, |text, sink| self.quoted(text, sink));
        }
    }

    #[inline]
    fn needs_quotes(&self, text: &[u8]) -> bool {
        let Marks { delimiter, quote, .. } = self.marks;
        let special = |byte: &u8| {
            (*byte == delimiter) | (*byte == quote) | (*byte == b'\n') | (*byte == b'\r')
        };
        text == self.null.as_bytes() || (self.single && text == b"\\.") || text.iter().any(special)
    }

    fn quoted(&self, text: &[u8], sink: &mut Sink<'_>) {
        let Marks { quote, escape, .. } = self.marks;
        sink.byte(quote);
        for byte in text {
            if *byte == quote || *byte == escape {
                sink.byte(escape);
            }
            sink.byte(*byte);
        }
        sink.byte(quote);
    }
}
