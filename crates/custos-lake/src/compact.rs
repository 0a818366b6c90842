//! Small files as larger ones, sorted by subject.
//!
//! Loads leave files in the order rows came in. A compaction takes the rows of many of them and
//! writes files that each cover a range of subjects: a person's rows then lie together, so that
//! visible rows are long runs, a person's rows are a few pages, and an erasure rewrites little.
//! Rows that a newer version of their record supersedes are left out.
//!
//! Memory is bounded by [`Layout::slice_rows`]: rows are first divided by range of subjects, and then
//! those of one range at a time are gathered, sorted and written.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::Int64Type;
use custos_core::{BatchId, FileId, KeyClass};
use custos_keys::{DestructionCause, FileSecrets, random_bytes};
use custos_policy::MaintenanceGrant;
use futures::TryStreamExt;
use serde::Serialize;

use crate::log::FileEntry;
use crate::writer::{FileLayout, LOADED, SORTED};
use crate::{Access, ColumnRole, CommitOutcome, LakeError, OpenFile, RowRange, Table, TableWriter};

const BATCH_ROWS: usize = 8_192;

/// Rows of a batch that is divided by subject: more of them make larger pieces.
const PART_BATCH: usize = 65_536;

/// How compacted files are laid out.
///
/// The defaults were chosen by `cargo xtask bench layout`, whose figures are in the README. Files of a
/// quarter of a million rows have erasing one person write four times as much, and are read hardly
/// faster; smaller row groups than these cost a whole scan a tenth to a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rows of a file.
    pub file_rows: usize,
    /// Rows of a row group, the least that an erasure has to write anew.
    pub group_rows: usize,
    /// Rows held in memory at a time.
    pub slice_rows: usize,
    /// Loaded rows that are sorted together at most; what is beyond waits for the next run, so
    /// that each run covers a span of time.
    pub run_rows: u64,
    /// Loaded files below which nothing is done.
    pub files_min: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            file_rows: 65_536,
            group_rows: 16_384,
            slice_rows: 524_288,
            run_rows: 16_000_000,
            files_min: 8,
        }
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Files that were replaced.
    pub files_before: u64,
    /// Files that replace them.
    pub files_after: u64,
    /// Bytes of the files that were replaced.
    pub bytes_before: u64,
    /// Bytes of the files that replace them.
    pub bytes_after: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Rows left out since a newer version of their record is there.
    pub superseded: u64,
}

/// Files that a compaction has written and not yet put in the place of those it read.
#[derive(Debug)]
pub struct Sorted {
    written: Vec<FileEntry>,
    replaced: Vec<FileEntry>,
    superseded: u64,
}

impl Sorted {
    fn compacted(&self) -> Compacted {
        Compacted {
            files_before: self.replaced.len() as u64,
            files_after: self.written.len() as u64,
            bytes_before: self.replaced.iter().map(|entry| entry.bytes).sum(),
            bytes_after: self.written.iter().map(|entry| entry.bytes).sum(),
            rows: self.written.iter().map(|entry| entry.rows).sum(),
            superseded: self.superseded,
        }
    }
}

impl Table {
    /// Whether so much was loaded since the last compaction that another is worth it.
    pub async fn wants_compaction(&self, layout: Layout) -> Result<bool, LakeError> {
        Ok(!choose(self.snapshot().await?.files, layout).is_empty())
    }

    /// Writes the rows that were loaded since the last compaction into sorted files; nothing if
    /// that is not worth it.
    ///
    /// Only for who holds off erasures and other compactions of this table from here until
    /// [`Table::replace`]; loads may go on. A crash loses nothing: files that no log names are
    /// leftovers.
    pub async fn sort(
        &self,
        grant: &MaintenanceGrant,
        layout: Layout,
    ) -> Result<Option<Sorted>, LakeError> {
        let replaced = choose(self.snapshot().await?.files, layout);
        if replaced.is_empty() {
            return Ok(None);
        }
        let source = Source::read(self, &replaced, Access::Maintenance(grant)).await?;
        let written = source.write(self, layout).await?;
        Ok(Some(Sorted { written, replaced, superseded: source.superseded }))
    }

    /// Puts sorted files in the place of those they were made of, and destroys the secrets of the
    /// latter; nothing if somebody rewrote one of them first.
    ///
    /// The bytes of what was replaced stay, for queries that have it open: they are the caller's
    /// to delete, and leftovers if the caller does not live to do it.
    pub async fn replace(
        &self,
        sorted: Sorted,
    ) -> Result<Option<(Compacted, Vec<FileEntry>)>, LakeError> {
        let compacted = sorted.compacted();
        let Sorted { written, replaced, .. } = sorted;
        let id = BatchId::from_random(random_bytes()?);
        match self.commit(id, written.clone(), replaced.clone()).await? {
            CommitOutcome::Committed(_) => {
                self.put_back_if_lost(&written, &replaced).await?;
                self.shred(&replaced, DestructionCause::Replaced).await?;
                Ok(Some((compacted, replaced)))
            }
            // What was written is of rows that may be gone.
            CommitOutcome::Conflict => {
                self.shred(&written, DestructionCause::Abandoned).await?;
                self.delete_bytes(&written).await?;
                Ok(None)
            }
        }
    }

    /// Undoes a compaction of which a file has lost its secrets: whoever took the lease from us
    /// before the commit took it for a leftover.
    async fn put_back_if_lost(
        &self,
        written: &[FileEntry],
        replaced: &[FileEntry],
    ) -> Result<(), LakeError> {
        let files: Vec<FileId> = written.iter().map(|entry| entry.file).collect();
        let secrets = self.keys().file_secrets(&files, &[KeyClass::Core]).await?;
        let Some(&lost) = files.iter().find(|file| !secrets.contains_key(file)) else {
            return Ok(());
        };
        let id = BatchId::from_random(random_bytes()?);
        self.commit(id, replaced.to_vec(), written.to_vec()).await?;
        Err(LakeError::Shredded { table: self.name().clone(), file: lost })
    }

    async fn shred(&self, files: &[FileEntry], cause: DestructionCause) -> Result<(), LakeError> {
        let files: Vec<FileId> = files.iter().map(|entry| entry.file).collect();
        self.forget(&files);
        self.keys().destroy(&files, cause, &**self.clock()).await?;
        Ok(())
    }
}

/// The loaded files that one compaction takes, oldest first.
fn choose(files: Vec<FileEntry>, layout: Layout) -> Vec<FileEntry> {
    let mut loaded: Vec<_> = files.into_iter().filter(|entry| entry.level == LOADED).collect();
    let rows: u64 = loaded.iter().map(|entry| entry.rows).sum();
    if loaded.len() < layout.files_min && rows < layout.file_rows as u64 {
        return Vec::new();
    }
    loaded.sort_by_key(|entry| (entry.since, entry.file));
    let mut taken = 0;
    loaded.retain(|entry| {
        let fits = taken == 0 || taken + entry.rows <= layout.run_rows;
        taken += if fits { entry.rows } else { 0 };
        fits
    });
    loaded
}

/// The rows of files, by their subjects.
struct Source<'a> {
    files: Vec<SourceFile>,
    access: Access<'a>,
    superseded: u64,
}

struct SourceFile {
    file: Arc<OpenFile>,
    /// The subject of each row; nothing for a row that is superseded.
    subjects: Vec<Option<u32>>,
}

impl<'a> Source<'a> {
    /// Reads whom each row is about, and which rows are superseded among these.
    async fn read(
        table: &Table,
        entries: &[FileEntry],
        access: Access<'a>,
    ) -> Result<Self, LakeError> {
        let versions = Versions::of(table);
        let columns: Vec<usize> =
            std::iter::once(0).chain(versions.iter().flat_map(|columns| columns.0)).collect();
        let mut newest = Newest::default();
        let mut files = Vec::with_capacity(entries.len());
        let mut superseded = 0;
        for (at, file) in table.open(entries, access).await?.into_iter().enumerate() {
            let mut subjects = Vec::new();
            for row_group in 0..file.row_groups().len() {
                let range = RowRange::group(row_group);
                let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
                while let Some(batch) = batches.try_next().await? {
                    let rids = batch.column(0).as_primitive::<Int64Type>().values();
                    let from = subjects.len();
                    subjects.extend(rids.iter().map(|&rid| u32::try_from(rid).ok()));
                    if versions.is_some() {
                        newest.add(&batch, at, from).ok_or_else(|| damaged(&file))?;
                    }
                }
            }
            if subjects.iter().any(Option::is_none) {
                return Err(damaged(&file));
            }
            files.push(SourceFile { file, subjects });
        }
        for (file, row) in newest.superseded {
            files[file].subjects[row] = None;
            superseded += 1;
        }
        Ok(Self { files, access, superseded })
    }

    /// Writes all rows, sorted by subject; those of one subject keep their order.
    async fn write(&self, table: &Table, layout: Layout) -> Result<Vec<FileEntry>, LakeError> {
        let Layout { file_rows, group_rows, .. } = layout;
        let mut writer =
            table.writer_of(FileLayout { level: SORTED, file_rows, group_rows, lasting: true });
        let slices = self.slices(layout.slice_rows);
        for part in self.divide(table, &slices).await? {
            let batches = part.rows(table, self).await?;
            for batch in sorted(&batches).ok_or_else(|| shape(table))? {
                writer.write(&batch?).await?;
            }
            if let Part::Apart(files) = part {
                let entries: Vec<FileEntry> = files.into_iter().map(|(entry, _)| entry).collect();
                table.delete_bytes(&entries).await?;
            }
        }
        writer.finish().await
    }

    /// Divides the rows by range of subjects. What does not fit in memory at once is put into
    /// files of which only this process has the secrets, so that each row is read twice and not
    /// once for every range. What a crash leaves of them nobody can open.
    async fn divide(
        &self,
        table: &Table,
        slices: &[RangeInclusive<u32>],
    ) -> Result<Vec<Part>, LakeError> {
        if slices.len() < 2 {
            return Ok(vec![Part::Here]);
        }
        let mut writers: Vec<TableWriter<'_>> =
            slices.iter().map(|_| table.writer_of(FileLayout::PART)).collect();
        let columns: Vec<usize> = (0..table.spec().columns().len()).collect();
        for SourceFile { file, subjects } in &self.files {
            let mut from = 0;
            for row_group in 0..file.row_groups().len() {
                let range = RowRange::group(row_group);
                let mut batches = Box::pin(file.read(self.access, &columns, range, PART_BATCH)?);
                while let Some(batch) = batches.try_next().await? {
                    let of_rows = &subjects[from..from + batch.num_rows()];
                    from += batch.num_rows();
                    for (slice, rows) in by_slice(of_rows, slices) {
                        let part = take_record_batch(&batch, &UInt32Array::from(rows));
                        writers[slice].write(&part.map_err(|_| shape(table))?).await?;
                    }
                }
            }
        }
        let mut parts = Vec::with_capacity(writers.len());
        for writer in writers {
            parts.push(Part::Apart(writer.finish_passing().await?));
        }
        Ok(parts)
    }

    /// Ranges of subjects with at most `rows` rows each, unless one subject alone has more.
    fn slices(&self, rows: usize) -> Vec<RangeInclusive<u32>> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for subject in self.files.iter().flat_map(|file| file.subjects.iter().flatten()) {
            *counts.entry(*subject).or_default() += 1;
        }
        let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut slices: Vec<RangeInclusive<u32>> = Vec::new();
        let mut held = 0;
        for (subject, count) in counts {
            match slices.last_mut() {
                Some(slice) if held + count <= rows => {
                    *slice = *slice.start()..=subject;
                    held += count;
                }
                _ => {
                    slices.push(subject..=subject);
                    held = count;
                }
            }
        }
        slices
    }

    /// All rows, in the order of files and rows.
    async fn gather(&self, table: &Table) -> Result<Vec<RecordBatch>, LakeError> {
        let columns: Vec<usize> = (0..table.spec().columns().len()).collect();
        let mut batches = Vec::new();
        for SourceFile { file, subjects: of_rows } in &self.files {
            let mut from = 0;
            for (row_group, rows) in file.row_groups().into_iter().enumerate() {
                let wanted: BooleanBuffer =
                    of_rows[from..from + rows].iter().map(Option::is_some).collect();
                from += rows;
                if wanted.count_set_bits() == 0 {
                    continue;
                }
                let range = RowRange { rows: Some(wanted), ..RowRange::group(row_group) };
                let read = file.read(self.access, &columns, range, BATCH_ROWS)?;
                batches.extend(read.try_collect::<Vec<_>>().await?);
            }
        }
        Ok(batches)
    }
}

/// The rows about one range of subjects.
enum Part {
    /// All that are compacted, since they fit in memory.
    Here,
    /// Those in files of their own.
    Apart(Vec<(FileEntry, FileSecrets)>),
}

impl Part {
    /// Its rows, in the order of files and rows.
    async fn rows(
        &self,
        table: &Table,
        source: &Source<'_>,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let files = match self {
            Self::Here => return source.gather(table).await,
            Self::Apart(files) => files,
        };
        let columns: Vec<usize> = (0..table.spec().columns().len()).collect();
        let mut batches = Vec::new();
        for (entry, secrets) in files {
            let file = table.open_passing(entry, secrets, source.access).await?;
            let range = RowRange { row_groups: 0..file.row_groups().len(), rows: None };
            let read = file.read(source.access, &columns, range, BATCH_ROWS)?;
            batches.extend(read.try_collect::<Vec<_>>().await?);
        }
        Ok(batches)
    }
}

/// The rows of a batch by the range that their subject is in, without those that are superseded.
fn by_slice(subjects: &[Option<u32>], slices: &[RangeInclusive<u32>]) -> BTreeMap<usize, Vec<u32>> {
    let mut rows: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for (row, subject) in (0..).zip(subjects) {
        let Some(subject) = subject else { continue };
        let slice = slices.partition_point(|slice| slice.end() < subject);
        rows.entry(slice).or_default().push(row);
    }
    rows
}

/// Rows of batches in the order of their subjects, batch by batch.
fn sorted(
    batches: &[RecordBatch],
) -> Option<impl Iterator<Item = Result<RecordBatch, LakeError>> + '_> {
    let mut order: Vec<(i64, usize, usize)> = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        let rids = batch.column(0).as_primitive_opt::<Int64Type>()?;
        order.extend(rids.values().iter().enumerate().map(|(row, &rid)| (rid, at, row)));
    }
    order.sort_unstable();
    let places: Vec<(usize, usize)> = order.into_iter().map(|(_, at, row)| (at, row)).collect();
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let chunks: Vec<Vec<(usize, usize)>> =
        places.chunks(BATCH_ROWS).map(<[(usize, usize)]>::to_vec).collect();
    Some(chunks.into_iter().map(move |chunk| {
        interleave_record_batch(&sources, &chunk).map_err(|source| LakeError::Storage {
            operation: "sorting rows",
            source: source.into(),
        })
    }))
}

/// The columns that tell versions of a record apart, in tables that have them.
struct Versions([usize; 2]);

impl Versions {
    fn of(table: &Table) -> Option<Self> {
        let key = table.spec().position_of(ColumnRole::Key)?;
        let version = table.spec().position_of(ColumnRole::Version)?;
        Some(Self([key, version]))
    }
}

/// The newest version of each record, and the rows that it supersedes.
#[derive(Default)]
struct Newest {
    of_key: HashMap<[u8; 16], (i64, usize, usize)>,
    superseded: Vec<(usize, usize)>,
}

impl Newest {
    /// Takes in a batch with subject, key and version of rows.
    fn add(&mut self, batch: &RecordBatch, file: usize, from: usize) -> Option<()> {
        let keys = batch.column(1).as_binary_opt::<i32>()?;
        let versions = batch.column(2).as_primitive_opt::<Int64Type>()?;
        for (at, (key, &version)) in keys.iter().zip(versions.values()).enumerate() {
            let row = (version, file, from + at);
            let best = self.of_key.entry(key?.try_into().ok()?).or_insert(row);
            if *best == row {
                continue;
            }
            // Of equal versions the content is equal too, and the first is kept.
            let older = if row.0 > best.0 { std::mem::replace(best, row) } else { row };
            self.superseded.push((older.1, older.2));
        }
        Some(())
    }
}

fn damaged(file: &OpenFile) -> LakeError {
    LakeError::Integrity {
        table: file.table().clone(),
        file: file.entry().file,
        what: "a subject, key or version in it cannot be right",
    }
}

fn shape(table: &Table) -> LakeError {
    LakeError::Shape { table: table.name().clone(), what: "its subjects are no integers".into() }
}

#[cfg(test)]
mod tests;
