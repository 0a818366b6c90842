//! What one call of an encoder keeps between cells.

use chrono_tz::Tz;

use super::offsets::Offsets;
use super::sink::Sink;

#[derive(Debug)]
pub(crate) struct Context {
    pub offsets: Offsets,
    /// Kept for its memory only, so that escaping a value allocates nothing.
    scratch: Vec<u8>,
}

impl Context {
    pub(crate) const fn new(zone: Tz) -> Self {
        Self { offsets: Offsets::new(zone), scratch: Vec::new() }
    }

    /// Takes what was written from a place on back out of the sink, and has it written anew.
    pub(crate) fn rewrite(
        &mut self,
        from: usize,
        sink: &mut Sink<'_>,
        write: impl FnOnce(&[u8], &mut Sink<'_>),
    ) {
        self.scratch.clear();
        self.scratch.extend_from_slice(sink.tail(from));
        sink.rewind(from);
        write(&self.scratch, sink);
    }
}
