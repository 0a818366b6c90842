//! Memory of what is on its way from a client.

use custos_query::{ClientMemory, QueryError};

/// What every call may send without memory of its principal, in bytes: more is for what is long.
pub(crate) const SENT_BYTES: u64 = 16 * 1024;

/// Memory for what a call sends, all of which is gathered before it is understood.
pub(crate) struct SentMemory {
    bytes: u64,
    memory: ClientMemory,
}

impl SentMemory {
    pub(crate) const fn new(memory: ClientMemory) -> Self {
        Self { bytes: 0, memory }
    }

    /// Takes so many more bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.bytes += bytes as u64;
        self.memory.hold(self.bytes.saturating_sub(SENT_BYTES))
    }

    /// What it takes of the principal's memory.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> u64 {
        self.memory.held()
    }
}
