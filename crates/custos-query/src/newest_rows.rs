//! Which rows of a table no newer version of their record supersedes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use custos_core::{FileId, TableName};
use custos_lake::{Access, ColumnRole, LakeError, OpenFile, RowRange, TableSpec};
use futures::TryStreamExt;
use tokio::sync::OnceCell;

use crate::mutants::{self, Mutant};
use crate::row_bits::OpenTable;

const BATCH_ROWS: usize = 65_536;

/// Records looked at together, some 50 bytes each; a larger table is read in several passes.
const PASS_RECORDS: u64 = 8_000_000;

/// For each file one bit a row, set for the newest row of each record.
pub(crate) type NewestRows = HashMap<FileId, BooleanBuffer>;

/// A table's newest rows at one version.
type AtVersion = (u64, Arc<OnceCell<Arc<NewestRows>>>);

/// The newest rows of tables, each at the last version that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    of: Mutex<HashMap<TableName, AtVersion>>,
}

impl Newest {
    /// The newest rows of a table; nothing for a table without versions.
    pub(crate) async fn of_table(
        &self,
        table: &OpenTable,
        access: Access<'_>,
    ) -> Result<Option<Arc<NewestRows>>, LakeError> {
        if !table.source.has_versions() || mutants::is_on(Mutant::VersionsIgnored) {
            return Ok(None);
        }
        let name = table.source.table().name();
        let cell = {
            let mut newest = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = newest.entry(name.clone()).or_default();
            if slot.0 != table.version {
                *slot = (table.version, Arc::default());
            }
            Arc::clone(&slot.1)
        };
        let newest = cell.get_or_try_init(|| async { read(table, access).await.map(Arc::new) });
        Ok(Some(Arc::clone(newest.await?)))
    }
}

async fn read(table: &OpenTable, access: Access<'_>) -> Result<NewestRows, LakeError> {
    let rows: u64 = table.files.iter().map(|file| file.entry().rows).sum();
    let passes = rows.div_ceil(PASS_RECORDS).max(1);
    let mut bits: Vec<_> = table
        .files
        .iter()
        .map(|file| {
            let rows = file.row_groups().iter().sum();
            let mut bits = BooleanBufferBuilder::new(rows);
            bits.append_n(rows, false);
            bits
        })
        .collect();
    for pass in 0..passes {
        for (file, row) in newest_of(table, access, pass, passes).await? {
            bits[file].set_bit(row, true);
        }
    }
    let finished = table.files.iter().zip(&mut bits);
    Ok(finished.map(|(file, bits)| (file.entry().file, bits.finish())).collect())
}

/// File and row of the newest version of each record whose key falls to this pass.
async fn newest_of(
    table: &OpenTable,
    access: Access<'_>,
    pass: u64,
    passes: u64,
) -> Result<impl Iterator<Item = (usize, usize)>, LakeError> {
    let spec = table.source.table().spec();
    let columns = [column_of(spec, ColumnRole::Key)?, column_of(spec, ColumnRole::Version)?];
    // Two records with equal keys and versions have equal content or were quarantined, so the
    // order in which files are read decides nothing.
    let mut newest: HashMap<[u8; 16], (i64, usize, usize)> = HashMap::new();
    for (at, file) in table.files.iter().enumerate() {
        let mut row = 0;
        each_batch(file, access, &columns, |batch| {
            let keys = batch.column(0).as_binary::<i32>();
            let versions = batch.column(1).as_primitive::<Int64Type>();
            for (key, &version) in keys.iter().zip(versions.values()) {
                let key: [u8; 16] = key?.try_into().ok()?;
                // Keys are keyed hashes, so any of their bytes divide them evenly.
                if u64::from_le_bytes(*key.first_chunk()?) % passes == pass {
                    let found = (version, at, row);
                    let best = newest.entry(key).or_insert(found);
                    if (found.0 > best.0) != mutants::is_on(Mutant::OldestRows) {
                        *best = found;
                    }
                }
                row += 1;
            }
            Some(())
        })
        .await?;
    }
    Ok(newest.into_values().map(|(_, file, row)| (file, row)))
}

fn column_of(spec: &TableSpec, role: ColumnRole) -> Result<usize, LakeError> {
    spec.position_of(role).ok_or_else(|| LakeError::Shape {
        table: spec.name().clone(),
        what: "it has versions but no keys".into(),
    })
}

async fn each_batch(
    file: &OpenFile,
    access: Access<'_>,
    columns: &[usize],
    mut each: impl FnMut(&RecordBatch) -> Option<()>,
) -> Result<(), LakeError> {
    let row_groups = 0..file.row_groups().len();
    let mut batches =
        Box::pin(file.read(access, columns, RowRange { row_groups, rows: None }, BATCH_ROWS)?);
    while let Some(batch) = batches.try_next().await? {
        each(&batch).ok_or_else(|| LakeError::Integrity {
            table: file.table().clone(),
            file: file.entry().file,
            what: "a key or version is missing",
        })?;
    }
    Ok(())
}
