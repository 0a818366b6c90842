//! The text format of `COPY`: backslashes before what would be read as something else.

use crate::postgres::encode::context::Context;
use crate::postgres::encode::sink::Sink;

#[derive(Debug)]
pub(super) struct Plain {
    pub delimiter: u8,
    pub null: String,
    /// What is written behind a backslash in place of a byte; 0 for bytes that stay.
    escapes: Box<[u8; 256]>,
}

impl Plain {
    pub(super) fn new(delimiter: u8, null: String) -> Self {
        let mut escapes = Box::new([0; 256]);
        let pairs = [
            (8, b'b'),
            (b'\t', b't'),
            (b'\n', b'n'),
            (11, b'v'),
            (12, b'f'),
            (b'\r', b'r'),
            (b'\\', b'\\'),
        ];
        // A control character has its letter even as the delimiter.
        for (byte, letter) in std::iter::once((delimiter, delimiter)).chain(pairs) {
            if let Some(place) = escapes.get_mut(usize::from(byte)) {
                *place = letter;
            }
        }
        Self { delimiter, null, escapes }
    }

    /// Escapes what was written from a place on.
    #[inline]
    pub(super) fn escape(&self, from: usize, sink: &mut Sink<'_>, context: &mut Context) {
        if sink.tail(from).iter().any(|byte| self.letter(*byte) != 0) {
            context.rewrite(from, sink, |text, sink| self.escaped(text, sink));
        }
    }

    fn escaped(&self, text: &[u8], sink: &mut Sink<'_>) {
        for byte in text {
            match self.letter(*byte) {
                0 => sink.byte(*byte),
                letter => sink.array([b'\\', letter]),
            }
        }
    }

    #[inline]
    fn letter(&self, byte: u8) -> u8 {
        self.escapes.get(usize::from(byte)).copied().unwrap_or(0)
    }
}
