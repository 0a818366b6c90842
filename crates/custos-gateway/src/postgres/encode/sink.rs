//! Where encoded bytes go.

use bytes::BytesMut;

use super::cell::Fault;

/// The least a sink grows by, in bytes.
const STEP_BYTES: usize = 1 << 10;

/// Writes at the end of a buffer, at less cost than the buffer's own methods.
///
/// The buffer is kept longer than what is written, so that a value is a store into a slice of known
/// length instead of a call that may grow it. What is past the end is cut when the sink is dropped.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    out: &'a mut BytesMut,
    /// INVARIANT: never more than `out.len()`.
    at: usize,
}

/// Where a length or another number is still to be filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    at: usize,
}

impl<'a> Sink<'a> {
    /// A sink behind what the buffer holds, with room for as many bytes as are expected.
    pub(crate) fn new(out: &'a mut BytesMut, expected_bytes: usize) -> Self {
        let at = out.len();
        out.resize(at + expected_bytes, 0);
        Self { out, at }
    }

    /// The place of the next byte.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Forgets what was written from a place on.
    pub(crate) fn rewind(&mut self, to: usize) {
        self.at = self.at.min(to);
    }

    /// What was written from a place on.
    pub(crate) fn tail(&self, from: usize) -> &[u8] {
        self.out.get(from..self.at).unwrap_or(&[])
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.partial(bytes, N);
    }

    /// Writes the first `length` of some bytes.
    ///
    /// All are stored, which costs less than a copy of unknown length; the next write covers the rest.
    #[inline]
    pub(crate) fn partial<const N: usize>(&mut self, bytes: [u8; N], length: usize) {
        if self.out.len() - self.at < N {
            self.grow(N);
        }
        let room = self.out.get_mut(self.at..).and_then(|room| room.first_chunk_mut::<N>());
        if let Some(room) = room {
            *room = bytes;
            self.at += length.min(N);
        }
    }

    #[inline]
    pub(crate) fn slice(&mut self, bytes: &[u8]) {
        if self.out.len() - self.at < bytes.len() {
            self.grow(bytes.len());
        }
        let end = self.at + bytes.len();
        if let Some(room) = self.out.get_mut(self.at..end) {
            room.copy_from_slice(bytes);
            self.at = end;
        }
    }

    /// Leaves room for the length of what follows.
    #[inline]
    pub(crate) fn open(&mut self) -> Gap {
        let gap = Gap { at: self.at };
        self.array([0; 4]);
        gap
    }

    /// Fills in the length of what was written since, without the four bytes of the length.
    #[inline]
    pub(crate) fn close(&mut self, gap: Gap) -> Result<(), Fault> {
        self.fill_length(gap, self.at - gap.at - 4)
    }

    /// Fills in the length of what was written since, with the four bytes of the length.
    #[inline]
    pub(crate) fn close_message(&mut self, gap: Gap) -> Result<(), Fault> {
        self.fill_length(gap, self.at - gap.at)
    }

    /// Fills in a number.
    #[inline]
    pub(crate) fn fill(&mut self, gap: Gap, number: u32) {
        let room = self.out.get_mut(gap.at..).and_then(|room| room.first_chunk_mut::<4>());
        if let Some(room) = room {
            *room = number.to_be_bytes();
        }
    }

    #[inline]
    fn fill_length(&mut self, gap: Gap, length: usize) -> Result<(), Fault> {
        let length = i32::try_from(length).map_err(|_| Fault::TooLarge)?;
        self.fill(gap, length.unsigned_abs());
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        let more = bytes.max(STEP_BYTES).max(self.at / 4);
        self.out.resize(self.at + more, 0);
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
    }
}
