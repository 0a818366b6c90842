//! What statements may use, and the meter at the door.

use std::path::PathBuf;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};

use crate::QueryError;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What statements may use: all of a process together, those of one principal, and each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all statements together, in bytes; a quarter of it may go to what clients send and
    /// have kept.
    pub memory_bytes: u64,
    /// Memory of one statement, in bytes; what can be spilled beyond it is.
    pub statement_memory_bytes: u64,
    /// The folder of temporary files. They are sealed and have no name in it.
    pub spill: PathBuf,
    /// Temporary files of all statements together, in bytes.
    pub spill_bytes: u64,
    /// Temporary files of one statement, in bytes.
    pub statement_spill_bytes: u64,
    /// Statements of one principal that run at a time; more wait for as long as one may take.
    pub principal_statements: usize,
    /// Statements that one principal may begin in a minute, over all doors; as many as it can if
    /// not said.
    pub principal_statements_per_minute: Option<u32>,
    /// Memory of all statements of one principal, in bytes. A quarter as much is for what its clients
    /// send and have kept.
    pub principal_memory_bytes: u64,
    /// Temporary files of all statements of one principal, in bytes.
    pub principal_spill_bytes: u64,
    /// How long a statement may take, slow readers included.
    pub statement_time: Duration,
    /// Rows of an answer.
    pub answer_rows: u64,
    /// An answer's size in memory, in bytes.
    pub answer_bytes: u64,
    /// Answers that are kept to be given again, in bytes; one takes a sixteenth of it at most.
    pub kept_answers_bytes: u64,
    /// Into how many parts a statement is divided; as many as there are processors if not said.
    pub partitions: Option<usize>,
    /// Rows that are computed at a time.
    pub batch_rows: usize,
}

impl Limits {
    /// The limits of an installation that sets none, with temporary files in this folder.
    pub const fn with_spill_in(folder: PathBuf) -> Self {
        Self {
            memory_bytes: 4 * GIB,
            statement_memory_bytes: 2 * GIB,
            spill: folder,
            spill_bytes: 64 * GIB,
            statement_spill_bytes: 16 * GIB,
            principal_statements: 8,
            principal_statements_per_minute: None,
            principal_memory_bytes: 3 * GIB,
            principal_spill_bytes: 32 * GIB,
            statement_time: Duration::from_secs(60),
            answer_rows: 10_000_000,
            answer_bytes: 4 * GIB,
            kept_answers_bytes: 64 * MIB,
            partitions: None,
            batch_rows: 8_192,
        }
    }

    /// Memory that a sort keeps back for merging what it spilled, in bytes.
    ///
    /// The engine's own 10 MiB a partition would leave a small statement nothing to sort in.
    pub(crate) fn sort_reservation_bytes(&self) -> usize {
        usize::try_from((self.statement_memory_bytes / 32).min(10 * MIB)).unwrap_or(0)
    }
}

/// Counts what leaves of one answer.
#[derive(Debug)]
pub(crate) struct Meter {
    rows: u64,
    bytes: u64,
    rows_max: u64,
    bytes_max: u64,
}

impl Meter {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { rows: 0, bytes: 0, rows_max: limits.answer_rows, bytes_max: limits.answer_bytes }
    }

    /// One that lets everything pass.
    pub(crate) const fn unlimited() -> Self {
        Self { rows: 0, bytes: 0, rows_max: u64::MAX, bytes_max: u64::MAX }
    }

    /// Lets a batch pass, or refuses it as a whole.
    pub(crate) fn pass(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.rows += batch.num_rows() as u64;
        self.bytes += bytes(batch);
        if self.rows > self.rows_max {
            return Err(QueryError::TooManyRows { limit: self.rows_max });
        }
        if self.bytes > self.bytes_max {
            return Err(QueryError::TooManyBytes { limit: self.bytes_max });
        }
        Ok(())
    }
}

/// The bytes of a batch's own rows; a slice does not count what else its buffers hold.
fn bytes(batch: &RecordBatch) -> u64 {
    let column = |array: &dyn Array| {
        array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
    };
    batch.columns().iter().map(|array| column(&**array) as u64).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn meter(answer_rows: u64, answer_bytes: u64) -> Meter {
        let limits = Limits::with_spill_in(PathBuf::new());
        Meter::new(&Limits { answer_rows, answer_bytes, ..limits })
    }

    #[test]
    fn the_last_row_that_fits_passes_and_the_next_does_not() {
        let mut meter = meter(10, u64::MAX);
        meter.pass(&batch(4)).unwrap();
        meter.pass(&batch(6)).unwrap();
        let error = meter.pass(&batch(1)).unwrap_err();
        assert!(matches!(error, QueryError::TooManyRows { limit: 10 }));
    }

    #[test]
    fn a_slice_counts_by_its_own_rows() {
        let mut meter = meter(u64::MAX, 8 * 10);
        let slice = batch(1_000).slice(500, 5);
        meter.pass(&slice).unwrap();
        meter.pass(&slice).unwrap();
        let error = meter.pass(&slice).unwrap_err();
        assert!(matches!(error, QueryError::TooManyBytes { limit: 80 }));
    }
}
