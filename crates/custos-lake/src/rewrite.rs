//! Files without some of their subjects.
//!
//! Three steps, so that a caller can write down what it is about to do and resume after a crash:
//! [`prepare`] writes replacements, [`Table::commit`] swaps them in, [`verify`] reads back.
//! Destroying the secrets of the replaced files comes after that and is not done here.

use std::num::NonZero;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::Int64Type;
use custos_core::TableName;
use custos_policy::MaintenanceGrant;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::log::FileEntry;
use crate::reseal::Resealer;
use crate::writer::{self, FileLayout};
use crate::{Access, ColumnRole, LakeError, OpenFile, RowRange, Table};

const BATCH_ROWS: usize = 8192;

/// Files replaced at once at most, each of which is in memory twice.
const REPLACED_AT_ONCE_MAX: usize = 8;

/// Replacements that are in storage but not yet in the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepared {
    /// The table.
    pub table: TableName,
    /// Its version when the plan was made.
    pub version: u64,
    /// Files that hold the subjects.
    pub replaced: Vec<FileEntry>,
    /// What replaces them; empty if no row is left.
    pub written: Vec<FileEntry>,
    /// Rows left out.
    pub rows_dropped: u64,
    /// Cells that named a subject in another role, set to nobody.
    pub cells_cleared: u64,
}

impl Prepared {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }
}

/// What reading a table back found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsenceProof {
    table: TableName,
    version: u64,
    files: u64,
    rows_read: u64,
    hits: u64,
}

impl AbsenceProof {
    fn add(&mut self, (rows, hits): (u64, u64)) {
        self.rows_read += rows;
        self.hits += hits;
    }

    /// The table.
    pub const fn table(&self) -> &TableName {
        &self.table
    }

    /// The version that was read.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Live files whose sealed subject lists were checked.
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// Rows whose subject columns were read.
    pub const fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Rows that still name a subject.
    pub const fn hits(&self) -> u64 {
        self.hits
    }
}

/// Which rows must go.
#[derive(Clone, Copy)]
pub enum Selection<'a> {
    /// Rows about these subjects; where they are named in another role, that cell is cleared.
    Subjects(&'a RoaringBitmap),
    /// Rows whose bytes in this column match.
    Bytes {
        /// The position of a binary column.
        column: usize,
        /// Whether such bytes must go.
        matches: &'a (dyn Fn(&[u8]) -> bool + Send + Sync),
    },
}

impl std::fmt::Debug for Selection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Subjects(_) => "Subjects(..)",
            Self::Bytes { .. } => "Bytes(..)",
        })
    }
}

impl Selection<'_> {
    /// For each row of a column that [`Selection::columns`] names, whether it is selected.
    fn selected(self, column: &ArrayRef) -> BooleanArray {
        match self {
            Self::Subjects(subjects) => named(column, subjects),
            Self::Bytes { matches, .. } => {
                let values = column.as_binary::<i32>();
                values.iter().map(|bytes| Some(bytes.is_some_and(matches))).collect()
            }
        }
    }

    /// The columns that decide.
    fn columns(self, table: &Table) -> Vec<usize> {
        match self {
            Self::Subjects(_) => table.spec().subject_columns(),
            Self::Bytes { column, .. } => vec![column],
        }
    }

    /// The column that decides whether a whole row goes.
    const fn row_column(self) -> usize {
        match self {
            Self::Subjects(_) => 0,
            Self::Bytes { column, .. } => column,
        }
    }
}

/// Writes replacements for all live files that hold selected rows.
pub async fn prepare(
    table: &Table,
    selection: Selection<'_>,
    grant: &MaintenanceGrant,
) -> Result<Prepared, LakeError> {
    let access = Access::Maintenance(grant);
    let snapshot = table.snapshot().await?;
    let mut replaced = Vec::new();
    for file in table.open(&snapshot.files, access).await? {
        if holds(table, &file, selection, access).await? {
            replaced.push(file);
        }
    }
    let replacements: Vec<BoxFuture<'_, _>> =
        replaced.iter().map(|file| replace(table, file, selection, access).boxed()).collect();
    // While one file is decoded here, others are encoded and sealed elsewhere.
    let at_once = (2 * cores()).min(REPLACED_AT_ONCE_MAX);
    let replacements: Vec<Replacement> =
        stream::iter(replacements).buffer_unordered(at_once).try_collect().await?;
    Ok(Prepared {
        table: table.name().clone(),
        version: snapshot.version,
        replaced: replaced.iter().map(|file| file.entry().clone()).collect(),
        rows_dropped: replacements.iter().map(|one| one.left_out.rows).sum(),
        cells_cleared: replacements.iter().map(|one| one.left_out.cells).sum(),
        written: replacements.into_iter().flat_map(|one| one.written).collect(),
    })
}

/// Writes what replaces a file: one file, so that what was sorted stays sorted.
async fn replace(
    table: &Table,
    file: &Arc<OpenFile>,
    selection: Selection<'_>,
    access: Access<'_>,
) -> Result<Replacement, LakeError> {
    match selection {
        Selection::Subjects(subjects) if file.is_complete() => {
            carry_without(table, file, subjects, access).await
        }
        _ => copy_without(table, file, selection, access).await,
    }
}

/// What replaces one file.
struct Replacement {
    /// Empty if no row is left.
    written: Vec<FileEntry>,
    left_out: LeftOut,
}

/// What of a file is not in its replacement.
#[derive(Debug, Default)]
struct LeftOut {
    rows: u64,
    cells: u64,
}

/// Whether a file holds selected rows: by its sealed list of subjects, or by reading.
async fn holds(
    table: &Table,
    file: &OpenFile,
    selection: Selection<'_>,
    access: Access<'_>,
) -> Result<bool, LakeError> {
    match selection {
        Selection::Subjects(subjects) => Ok(!file.subjects().is_disjoint(subjects)),
        Selection::Bytes { .. } => Ok(count(table, file, selection, access).await?.1 > 0),
    }
}

/// Replaces a file by one without the selected rows, all of it decoded and encoded anew.
async fn copy_without(
    table: &Table,
    file: &OpenFile,
    selection: Selection<'_>,
    access: Access<'_>,
) -> Result<Replacement, LakeError> {
    let mut writer = table.writer_of(FileLayout::like(file));
    let mut left_out = LeftOut::default();
    for row_group in 0..file.row_groups().len() {
        for batch in kept(table, file, row_group, selection, access, &mut left_out).await? {
            writer.write(&batch).await?;
        }
    }
    Ok(Replacement { written: writer.finish().await?, left_out })
}

/// Replaces a file by one without the subjects, in which row groups that do not name them are
/// carried over. Encoding and sealing leave this task, so that several files go on at once.
async fn carry_without(
    table: &Table,
    file: &Arc<OpenFile>,
    subjects: &RoaringBitmap,
    access: Access<'_>,
) -> Result<Replacement, LakeError> {
    let selection = Selection::Subjects(subjects);
    let mut writer = Resealer::begin(table, file).await?;
    let mut left_out = LeftOut::default();
    let mut rows = 0;
    let bounds = file.subject_bounds();
    // Bounds are those of the primary subject, so they decide where nobody else is named.
    let alone = table.spec().subject_columns().len() == 1;
    for (row_group, rows_before) in file.row_groups().into_iter().enumerate() {
        let beyond = alone
            && bounds[row_group]
                .as_ref()
                .is_some_and(|range| subjects.range_cardinality(range.clone()) == 0);
        if beyond || subjects_of_group(table, file, row_group, access).await?.is_disjoint(subjects)
        {
            writer.carry(row_group)?;
            rows += rows_before as u64;
            continue;
        }
        let batches = kept(table, file, row_group, selection, access, &mut left_out).await?;
        let rows_after: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows_after > 0 {
            let write = move || writer.write(&batches).map(|()| writer);
            writer = apart(table, write).await?;
            rows += rows_after;
        }
    }
    if !writer.has_rows() {
        writer.abandon().await?;
        return Ok(Replacement { written: Vec::new(), left_out });
    }
    writer.footer_entry(writer::subjects_entry(&(file.subjects() - subjects))?);
    let (id, bytes) = apart(table, move || writer.finish()).await?;
    let written = writer::put(table, id, bytes, rows, file.entry().level).await?;
    Ok(Replacement { written: vec![written], left_out })
}

/// Computes on a thread of its own.
async fn apart<T: Send + 'static>(
    table: &Table,
    compute: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    match tokio::task::spawn_blocking(compute).await {
        Ok(computed) => computed,
        Err(_) => Err(shape(table, "a file could not be encoded")),
    }
}

/// All subjects that rows of a row group name, in any role.
async fn subjects_of_group(
    table: &Table,
    file: &OpenFile,
    row_group: usize,
    access: Access<'_>,
) -> Result<RoaringBitmap, LakeError> {
    let columns = table.spec().subject_columns();
    let places: Vec<usize> = (0..columns.len()).collect();
    let mut named = RoaringBitmap::new();
    let range = RowRange::group(row_group);
    let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
    while let Some(batch) = batches.try_next().await? {
        name_subjects(table, &batch, &places, &mut named)?;
    }
    Ok(named)
}

fn name_subjects(
    table: &Table,
    batch: &RecordBatch,
    columns: &[usize],
    subjects: &mut RoaringBitmap,
) -> Result<(), LakeError> {
    for &at in columns {
        writer::add_subjects(batch.column(at), subjects)
            .ok_or_else(|| shape(table, "a subject id is outside the range of subjects"))?;
    }
    Ok(())
}

/// The rows of a row group that stay, with the cells of selected subjects cleared.
async fn kept(
    table: &Table,
    file: &OpenFile,
    row_group: usize,
    selection: Selection<'_>,
    access: Access<'_>,
    left_out: &mut LeftOut,
) -> Result<Vec<RecordBatch>, LakeError> {
    let columns: Vec<_> = (0..table.spec().columns().len()).collect();
    let range = RowRange::group(row_group);
    let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
    let mut left = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let gone = selection.selected(batch.column(selection.row_column()));
        let kept = not(&gone)
            .and_then(|keep| filter_record_batch(&batch, &keep))
            .map_err(|_| shape(table, "rows could not be filtered"))?;
        left_out.rows += (batch.num_rows() - kept.num_rows()) as u64;
        let kept = match selection {
            Selection::Subjects(subjects) => clear_cells(table, &kept, subjects, left_out)?,
            Selection::Bytes { .. } => kept,
        };
        if kept.num_rows() > 0 {
            left.push(kept);
        }
    }
    Ok(left)
}

fn clear_cells(
    table: &Table,
    batch: &RecordBatch,
    subjects: &RoaringBitmap,
    left_out: &mut LeftOut,
) -> Result<RecordBatch, LakeError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    for (at, column) in table.spec().columns().iter().enumerate() {
        if column.role != ColumnRole::SecondarySubject {
            continue;
        }
        let rids = batch.column(at).as_primitive::<Int64Type>();
        let cleared: Int64Array = rids
            .iter()
            .map(|rid| {
                let hit = names_one_of(rid, subjects);
                left_out.cells += u64::from(hit);
                if hit { Some(0) } else { rid }
            })
            .collect();
        columns[at] = Arc::new(cleared);
    }
    RecordBatch::try_new(batch.schema(), columns)
        .map_err(|_| shape(table, "cells could not be cleared"))
}

/// Reads the table back: the sealed subject lists of all live files, and the deciding columns of
/// `written`, or of all files where no list decides.
pub async fn verify(
    table: &Table,
    selection: Selection<'_>,
    written: &[FileEntry],
    grant: &MaintenanceGrant,
) -> Result<AbsenceProof, LakeError> {
    let access = Access::Maintenance(grant);
    let snapshot = table.snapshot().await?;
    let mut proof = AbsenceProof {
        table: table.name().clone(),
        version: snapshot.version,
        files: snapshot.files.len() as u64,
        rows_read: 0,
        hits: 0,
    };
    let mut read = table.open(&snapshot.files, access).await?;
    if let Selection::Subjects(subjects) = selection {
        proof.hits += read.iter().map(|it| it.subjects().intersection_len(subjects)).sum::<u64>();
        read.retain(|it| written.iter().any(|entry| entry.file == it.entry().file));
    }
    // Several files at once, where they need nothing of the caller.
    let mut counting = JoinSet::new();
    for file in &read {
        let counted = match selection {
            Selection::Subjects(subjects) => {
                let (batches, subjects) =
                    (deciding(table, file, selection, access)?, subjects.clone());
                counting.spawn(tally(batches, move |column| named(column, &subjects)));
                if counting.len() < cores() {
                    continue;
                }
                joined(table, &mut counting).await?
            }
            Selection::Bytes { .. } => count(table, file, selection, access).await?,
        };
        proof.add(counted);
    }
    while !counting.is_empty() {
        proof.add(joined(table, &mut counting).await?);
    }
    Ok(proof)
}

/// Rows of a file, and how many cells of them are selected.
type Count = Result<(u64, u64), LakeError>;

/// What came of the next task that counted.
async fn joined(table: &Table, counting: &mut JoinSet<Count>) -> Count {
    let lost = || shape(table, "a file could not be read back");
    counting.join_next().await.ok_or_else(lost)?.map_err(|_| lost())?
}

async fn count(
    table: &Table,
    file: &OpenFile,
    selection: Selection<'_>,
    access: Access<'_>,
) -> Count {
    tally(deciding(table, file, selection, access)?, |column| selection.selected(column)).await
}

/// The columns of a file that decide whether its rows are selected.
fn deciding(
    table: &Table,
    file: &OpenFile,
    selection: Selection<'_>,
    access: Access<'_>,
) -> Result<impl Stream<Item = Result<RecordBatch, LakeError>> + Send + use<>, LakeError> {
    let range = RowRange { row_groups: 0..file.row_groups().len(), rows: None };
    file.read(access, &selection.columns(table), range, BATCH_ROWS)
}

/// Rows, and how many cells of them are selected.
async fn tally(
    batches: impl Stream<Item = Result<RecordBatch, LakeError>> + Send,
    selected: impl Fn(&ArrayRef) -> BooleanArray + Send,
) -> Count {
    let mut batches = std::pin::pin!(batches);
    let (mut rows, mut hits) = (0, 0);
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
        hits += batch.columns().iter().map(|it| selected(it).true_count() as u64).sum::<u64>();
    }
    Ok((rows, hits))
}

/// For each row of a column of subjects whether it names one of these.
fn named(column: &ArrayRef, subjects: &RoaringBitmap) -> BooleanArray {
    // Rows of a subject follow each other in files that are sorted.
    let mut last = (None, false);
    let rids = column.as_primitive::<Int64Type>().iter();
    rids.map(|rid| {
        if rid != last.0 {
            last = (rid, names_one_of(rid, subjects));
        }
        Some(last.1)
    })
    .collect()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn names_one_of(rid: Option<i64>, subjects: &RoaringBitmap) -> bool {
    rid.and_then(|rid| u32::try_from(rid).ok()).is_some_and(|rid| subjects.contains(rid))
}

fn shape(table: &Table, what: &str) -> LakeError {
    LakeError::Shape { table: table.name().clone(), what: what.into() }
}
