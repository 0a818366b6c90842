//! Rows as one Parquet file, whose bytes leave as they come to be.

use std::mem;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use custos_lake::ExportFile;

use crate::QueryError;

/// A row group ends when it has this many bytes, so that answers of any length take bounded memory.
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Writes a Parquet file in clear, piece by piece.
#[derive(Debug)]
pub struct ParquetPieces {
    /// Nothing once finished.
    file: Option<ExportFile<Vec<u8>>>,
    written: Vec<u8>,
}

impl ParquetPieces {
    /// A file of rows with these columns.
    pub fn new(columns: &SchemaRef) -> Result<Self, QueryError> {
        let file = Some(ExportFile::plain(Vec::new(), columns)?);
        Ok(Self { file, written: Vec::new() })
    }

    /// Writes rows of these columns.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        let file = self.file.as_mut().ok_or(QueryError::Internal)?;
        file.write(rows)?;
        Ok(file.end_row_group_over(ROW_GROUP_BYTES)?)
    }

    /// Writes the footer.
    pub fn finish(&mut self) -> Result<(), QueryError> {
        if let Some(file) = self.file.take() {
            self.written = file.finish()?;
        }
        Ok(())
    }

    /// Takes what was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.file {
            Some(file) => file.take_written(),
            None => mem::take(&mut self.written),
        }
    }
}
