//! Files without some of their subjects.
//!
//! Three steps, so that a caller can write down what it is about to do and resume after a crash:
//! [`prepare`] writes replacements, [`Table::commit`] swaps them in, [`verify`] reads back.
//! Destroying the secrets of the replaced files comes after that and is not done here.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use custos_core::TableName;
use custos_policy::MaintenanceGrant;
use futures::TryStreamExt;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::log::FileEntry;
use crate::{Access, ColumnRole, LakeError, OpenFile, RowRange, Table, TableWriter};

const BATCH_ROWS: usize = 8192;

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

/// Writes replacements for all live files that hold `subjects`.
pub async fn prepare(
    table: &Table,
    subjects: &RoaringBitmap,
    grant: &MaintenanceGrant,
) -> Result<Prepared, LakeError> {
    let access = Access::Maintenance(grant);
    let snapshot = table.snapshot().await?;
    let mut prepared = Prepared {
        table: table.name().clone(),
        version: snapshot.version,
        replaced: Vec::new(),
        written: Vec::new(),
        rows_dropped: 0,
        cells_cleared: 0,
    };
    let mut writer = table.writer();
    for file in table.open(&snapshot.files, access).await? {
        if file.subjects().is_disjoint(subjects) {
            continue;
        }
        copy_without(table, &file, subjects, access, &mut writer, &mut prepared).await?;
        prepared.replaced.push(file.entry().clone());
    }
    prepared.written = writer.finish().await?;
    Ok(prepared)
}

async fn copy_without(
    table: &Table,
    file: &OpenFile,
    subjects: &RoaringBitmap,
    access: Access<'_>,
    writer: &mut TableWriter<'_>,
    prepared: &mut Prepared,
) -> Result<(), LakeError> {
    let columns: Vec<_> = (0..table.spec().columns().len()).collect();
    for row_group in 0..file.row_groups().len() {
        let range = RowRange { row_group, rows: None };
        let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
        while let Some(batch) = batches.try_next().await? {
            let kept = drop_rows(table, &batch, subjects)?;
            prepared.rows_dropped += (batch.num_rows() - kept.num_rows()) as u64;
            let (cleared, cells) = clear_cells(table, &kept, subjects)?;
            prepared.cells_cleared += cells;
            if cleared.num_rows() > 0 {
                writer.write(&cleared).await?;
            }
        }
    }
    Ok(())
}

fn drop_rows(
    table: &Table,
    batch: &RecordBatch,
    subjects: &RoaringBitmap,
) -> Result<RecordBatch, LakeError> {
    let keep: BooleanArray = batch
        .column(0)
        .as_primitive::<Int64Type>()
        .iter()
        .map(|rid| Some(!names_one_of(rid, subjects)))
        .collect();
    filter_record_batch(batch, &keep).map_err(|_| shape(table, "rows could not be filtered"))
}

fn clear_cells(
    table: &Table,
    batch: &RecordBatch,
    subjects: &RoaringBitmap,
) -> Result<(RecordBatch, u64), LakeError> {
    let mut cells = 0;
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
                cells += u64::from(hit);
                if hit { Some(0) } else { rid }
            })
            .collect();
        columns[at] = Arc::new(cleared);
    }
    let cleared = RecordBatch::try_new(batch.schema(), columns)
        .map_err(|_| shape(table, "cells could not be cleared"))?;
    Ok((cleared, cells))
}

/// Reads the table back: the sealed subject lists of all live files, and the subject columns of
/// `written`.
pub async fn verify(
    table: &Table,
    subjects: &RoaringBitmap,
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
    for file in table.open(&snapshot.files, access).await? {
        proof.hits += file.subjects().intersection_len(subjects);
        if written.iter().any(|entry| entry.file == file.entry().file) {
            read_subjects(table, &file, subjects, access, &mut proof).await?;
        }
    }
    Ok(proof)
}

async fn read_subjects(
    table: &Table,
    file: &OpenFile,
    subjects: &RoaringBitmap,
    access: Access<'_>,
    proof: &mut AbsenceProof,
) -> Result<(), LakeError> {
    let columns = table.spec().subject_columns();
    for row_group in 0..file.row_groups().len() {
        let range = RowRange { row_group, rows: None };
        let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
        while let Some(batch) = batches.try_next().await? {
            proof.rows_read += batch.num_rows() as u64;
            for column in batch.columns() {
                let rids = column.as_primitive::<Int64Type>();
                let hits = rids.iter().filter(|rid| names_one_of(*rid, subjects)).count();
                proof.hits += hits as u64;
            }
        }
    }
    Ok(())
}

fn names_one_of(rid: Option<i64>, subjects: &RoaringBitmap) -> bool {
    rid.and_then(|rid| u32::try_from(rid).ok()).is_some_and(|rid| subjects.contains(rid))
}

fn shape(table: &Table, what: &str) -> LakeError {
    LakeError::Shape { table: table.name().clone(), what: what.into() }
}
