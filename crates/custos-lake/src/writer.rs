//! Writing encrypted files.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use custos_core::{FileId, Rid};
use custos_keys::FileSecrets;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::KeyValue;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::log::FileEntry;
use crate::{LakeError, OpenFile, Table, parquet_crypto};

/// Key of the footer entry that holds the file's subjects, sealed with the footer.
pub(crate) const SUBJECTS_ENTRY: &str = "custos.subjects";

/// The level of files as loads leave them.
pub(crate) const LOADED: u8 = 0;

/// The level of files that are sorted by subject.
pub(crate) const SORTED: u8 = 1;

/// How files are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLayout {
    pub(crate) level: u8,
    /// Rows after which a file is closed and the next begun.
    pub(crate) file_rows: usize,
    /// Rows of one row group.
    pub(crate) group_rows: usize,
    /// Whether the files outlive this process: else only it has their secrets.
    pub(crate) lasting: bool,
}

impl FileLayout {
    /// Rows as they come.
    const AS_LOADED: Self = Self {
        level: LOADED,
        file_rows: 1_000_000,
        group_rows: parquet_crypto::ROW_GROUP_ROWS,
        lasting: true,
    };

    /// Rows on their way from one layout to another.
    pub(crate) const PART: Self =
        Self { level: LOADED, file_rows: 65_536, group_rows: 32_768, lasting: false };

    /// That of another file.
    pub(crate) fn like(file: &OpenFile) -> Self {
        let group_rows = file.row_groups().into_iter().max().unwrap_or(1);
        Self { level: file.entry().level, file_rows: usize::MAX, group_rows, lasting: true }
    }
}

/// Writes rows into new encrypted files of a table.
///
/// The files are in storage when [`TableWriter::finish`] returns, but in no table until a commit
/// names them.
pub struct TableWriter<'a> {
    table: &'a Table,
    layout: FileLayout,
    current: Option<OpenWriter>,
    finished: Vec<FileEntry>,
    /// The secrets of what is finished, of files that do not last.
    passing: Vec<FileSecrets>,
}

struct OpenWriter {
    secrets: FileSecrets,
    writer: ArrowWriter<Vec<u8>>,
    subjects: RoaringBitmap,
    rows: usize,
}

impl OpenWriter {
    async fn begin(table: &Table, layout: FileLayout) -> Result<Self, LakeError> {
        let spec = table.spec();
        let classes: Vec<_> = spec.classes().into_iter().collect();
        let secrets = match layout.lasting {
            true => table.keys().create_file_secrets(&classes).await?,
            false => table.keys().passing_secrets(&classes)?,
        };
        let properties = parquet_crypto::writer_properties(spec, &secrets, layout.group_rows)?;
        let writer = ArrowWriter::try_new_with_options(
            Vec::new(),
            Arc::clone(spec.schema()),
            ArrowWriterOptions::new().with_properties(properties),
        )
        .map_err(|_| LakeError::Parquet {
            table: spec.name().clone(),
            file: secrets.file(),
            operation: "begun",
        })?;
        Ok(Self { secrets, writer, subjects: RoaringBitmap::new(), rows: 0 })
    }
}

impl fmt::Debug for TableWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter").field("table", self.table.name()).finish_non_exhaustive()
    }
}

impl<'a> TableWriter<'a> {
    pub(crate) const fn new(table: &'a Table) -> Self {
        Self::with_layout(table, FileLayout::AS_LOADED)
    }

    pub(crate) const fn with_layout(table: &'a Table, layout: FileLayout) -> Self {
        Self { table, layout, current: None, finished: Vec::new(), passing: Vec::new() }
    }

    /// Writes the rows of a batch, whose schema is the table's.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut open = match self.current.take() {
                Some(open) => open,
                None => OpenWriter::begin(self.table, self.layout).await?,
            };
            let rows = (self.layout.file_rows - open.rows).min(batch.num_rows() - from);
            self.append(&mut open, &batch.slice(from, rows))?;
            from += rows;
            if open.rows >= self.layout.file_rows {
                self.close(open).await?;
            } else {
                self.current = Some(open);
            }
        }
        Ok(())
    }

    /// Closes the last file and returns all that were written.
    pub async fn finish(mut self) -> Result<Vec<FileEntry>, LakeError> {
        if let Some(open) = self.current.take() {
            self.close(open).await?;
        }
        Ok(self.finished)
    }

    /// Closes the last file of those that do not last, and returns all with their secrets.
    pub(crate) async fn finish_passing(
        mut self,
    ) -> Result<Vec<(FileEntry, FileSecrets)>, LakeError> {
        if let Some(open) = self.current.take() {
            self.close(open).await?;
        }
        Ok(self.finished.into_iter().zip(self.passing).collect())
    }

    fn append(&self, open: &mut OpenWriter, batch: &RecordBatch) -> Result<(), LakeError> {
        for at in self.table.spec().subject_columns() {
            add_subjects(batch.column(at), &mut open.subjects).ok_or_else(|| LakeError::Shape {
                table: self.table.name().clone(),
                what: "a subject id is outside the range of subjects".into(),
            })?;
        }
        open.rows += batch.num_rows();
        open.writer.write(batch).map_err(|_| self.failed(open.secrets.file(), "written"))
    }

    async fn close(&mut self, mut open: OpenWriter) -> Result<(), LakeError> {
        let file = open.secrets.file();
        open.writer.append_key_value_metadata(subjects_entry(&open.subjects)?);
        let bytes = open.writer.into_inner().map_err(|_| self.failed(file, "finished"))?;
        let entry = put(self.table, file, bytes, open.rows as u64, self.layout.level).await?;
        self.finished.push(entry);
        if !self.layout.lasting {
            self.passing.push(open.secrets);
        }
        Ok(())
    }

    fn failed(&self, file: FileId, operation: &'static str) -> LakeError {
        LakeError::Parquet { table: self.table.name().clone(), file, operation }
    }
}

/// Stores a finished file under its own name.
pub(crate) async fn put(
    table: &Table,
    file: FileId,
    bytes: Vec<u8>,
    rows: u64,
    level: u8,
) -> Result<FileEntry, LakeError> {
    let (path, length, bytes) = (format!("{file}.parquet"), bytes.len() as u64, Bytes::from(bytes));
    let digested = bytes.clone();
    // As long as other work takes, so it leaves the task to it.
    let sha256 = spawn_blocking(move || Sha256::digest(&digested).into()).await.map_err(|_| {
        LakeError::Parquet { table: table.name().clone(), file, operation: "digested" }
    })?;
    let entry = FileEntry { file, path, bytes: length, rows, sha256, level, since: 0 };
    table
        .store()
        .put(&Path::from(entry.path.as_str()), bytes.into())
        .await
        .map_err(LakeError::storage("writing a data file"))?;
    Ok(entry)
}

/// The footer's list of the subjects in a file.
pub(crate) fn subjects_entry(subjects: &RoaringBitmap) -> Result<KeyValue, LakeError> {
    Ok(KeyValue::new(SUBJECTS_ENTRY.to_owned(), BASE64.encode(bitmap_bytes(subjects)?)))
}

pub(crate) fn add_subjects(column: &dyn Array, subjects: &mut RoaringBitmap) -> Option<()> {
    let rids = column.as_any().downcast_ref::<Int64Array>()?;
    let mut last = None;
    for rid in rids.iter().flatten() {
        if last == Some(rid) {
            continue;
        }
        last = Some(rid);
        let rid = Rid::from_column(rid)?;
        if !rid.is_none() {
            subjects.insert(rid.get());
        }
    }
    Some(())
}

fn bitmap_bytes(bitmap: &RoaringBitmap) -> Result<Vec<u8>, LakeError> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).map_err(|source| LakeError::Storage {
        operation: "listing the subjects of a file",
        source: Box::new(source),
    })?;
    Ok(bytes)
}
