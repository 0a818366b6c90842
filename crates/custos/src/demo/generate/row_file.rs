//! Writing the rows of a silo, a few of them broken.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::meter::Meter;

/// A file of rows of one format.
pub(crate) trait RowFile {
    /// Adds a row.
    fn write<R: Serialize>(&mut self, row: &R) -> io::Result<()>;

    /// Hands everything to the operating system.
    fn finish(self) -> io::Result<()>;
}

/// Comma-separated values under a line of column names.
pub(crate) struct CsvFile(csv::Writer<File>);

impl CsvFile {
    /// Makes the file, or empties it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(csv::WriterBuilder::new().buffer_capacity(1 << 16).from_path(path)?))
    }
}

impl RowFile for CsvFile {
    fn write<R: Serialize>(&mut self, row: &R) -> io::Result<()> {
        Ok(self.0.serialize(row)?)
    }

    fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One JSON object a line.
pub(crate) struct JsonLinesFile(BufWriter<File>);

impl JsonLinesFile {
    /// Makes the file, or empties it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(1 << 16, File::create(path)?)))
    }
}

impl RowFile for JsonLinesFile {
    fn write<R: Serialize>(&mut self, row: &R) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, row)?;
        self.0.write_all(b"\n")
    }

    fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Makes the rows of a silo out of drafts, good ones and broken ones.
pub(crate) trait RowMaker {
    /// What is known of a row before its details are made up.
    type Draft;
    /// The row as it stands in the file.
    type Row: Serialize;

    /// The next row. Each has an id of its own, also when made of the same draft.
    fn row(&mut self, draft: &Self::Draft) -> Self::Row;

    /// Breaks a row in one of several ways that validation must notice.
    fn spoil(row: &mut Self::Row, way: u32);
}

/// Writes a row for each draft and, spread among them, `broken` more that are broken; returns
/// how many of those there were room for.
pub(crate) fn write_rows<M: RowMaker>(
    file: &mut impl RowFile,
    maker: &mut M,
    drafts: &[M::Draft],
    broken: u32,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut written = 0;
    for (index, draft) in drafts.iter().enumerate() {
        file.write(&maker.row(draft))?;
        if is_broken_next(index, drafts.len(), broken) {
            let mut row = maker.row(draft);
            M::spoil(&mut row, written);
            file.write(&row)?;
            written += 1;
        }
        meter.at(index + 1, drafts.len());
    }
    meter.next_stage();
    Ok(written)
}

/// Whether one of `broken` evenly spread rows follows the row at `index` of `length`.
fn is_broken_next(index: usize, length: usize, broken: u32) -> bool {
    let parts = broken as usize + 1;
    length >= parts && index * parts / length != (index + 1) * parts / length && index + 1 < length
}
