//! Which rows of a file may be seen: one bit a row, kept for as long as the answer holds.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use custos_core::{FileId, TableName};
use custos_lake::{Access, ColumnRole, LakeError, OpenFile, RowRange, TableSpec};
use futures::TryStreamExt;
use roaring::RoaringBitmap;
use tokio::sync::OnceCell;

use crate::GovernedSource;
use crate::population::{Stamp, VisibleSubjects};

const BATCH_ROWS: usize = 65_536;

/// Bit vectors kept; beyond this the cache starts afresh.
const KEPT_MAX: usize = 16_384;

/// The visible rows of a file.
#[derive(Debug)]
pub(crate) enum RowBits {
    /// All of them; reading costs nothing extra.
    All,
    /// Those whose bit is set.
    Some(BooleanBuffer),
}

/// What a bit vector depends on besides the file, which never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    file: FileId,
    visible: Stamp,
    unattributed: bool,
    /// The version of the table, where newer rows may supersede those of this file.
    version: Option<u64>,
}

type Winners = HashMap<FileId, BooleanBuffer>;

/// The rows of a table at one version that nothing supersedes.
type AtVersion = (u64, Arc<OnceCell<Winners>>);

/// Bit vectors by file, purpose and epoch.
#[derive(Debug, Default)]
pub(crate) struct RowBitsCache {
    bits: Mutex<HashMap<Key, Arc<OnceCell<RowBits>>>>,
    newest: Mutex<HashMap<TableName, AtVersion>>,
}

/// A table at one version, opened for a reader.
#[derive(Debug)]
pub(crate) struct OpenTable {
    pub(crate) source: Arc<GovernedSource>,
    pub(crate) version: u64,
    pub(crate) files: Vec<Arc<OpenFile>>,
    /// The column that names a row's source, and the sources that the purpose may show.
    pub(crate) sources: Option<(usize, BTreeSet<String>)>,
}

impl RowBitsCache {
    /// The visible rows of one file of a table.
    pub(crate) async fn of_file(
        &self,
        table: &OpenTable,
        file: &OpenFile,
        access: Access<'_>,
        visible: &VisibleSubjects,
        unattributed: bool,
    ) -> Result<Arc<OnceCell<RowBits>>, LakeError> {
        let version = table.source.has_versions().then_some(table.version);
        let key =
            Key { file: file.entry().file, visible: visible.stamp.clone(), unattributed, version };
        let cell = {
            let mut bits = self.bits.lock().unwrap_or_else(PoisonError::into_inner);
            if bits.len() >= KEPT_MAX {
                bits.clear();
            }
            Arc::clone(bits.entry(key).or_default())
        };
        cell.get_or_try_init(|| async {
            let newest = match version {
                Some(_) => Some(self.newest(table, access).await?),
                None => None,
            };
            let newest = newest.as_ref().and_then(|cell| cell.get()?.get(&file.entry().file));
            compute(file, access, &visible.subjects, unattributed, newest, &table.sources).await
        })
        .await?;
        Ok(cell)
    }

    /// For each file the rows that no newer version of their record supersedes.
    async fn newest(
        &self,
        table: &OpenTable,
        access: Access<'_>,
    ) -> Result<Arc<OnceCell<Winners>>, LakeError> {
        let name = table.source.table().name();
        let cell = {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = newest.entry(name.clone()).or_default();
            if slot.0 != table.version {
                *slot = (table.version, Arc::default());
            }
            Arc::clone(&slot.1)
        };
        cell.get_or_try_init(|| winners(table, access)).await?;
        Ok(cell)
    }
}

async fn compute(
    file: &OpenFile,
    access: Access<'_>,
    visible: &RoaringBitmap,
    unattributed: bool,
    newest: Option<&BooleanBuffer>,
    sources: &Option<(usize, BTreeSet<String>)>,
) -> Result<RowBits, LakeError> {
    let rows = file.row_groups().iter().sum();
    let mut bits = BooleanBufferBuilder::new(rows);
    let dense = Dense::new(visible, unattributed);
    let columns: Vec<usize> = std::iter::once(0).chain(sources.iter().map(|rule| rule.0)).collect();
    each_batch(file, access, &columns, |batch| {
        let rids = batch.column(0).as_primitive::<Int64Type>().values();
        match sources {
            None => rids.iter().for_each(|&rid| bits.append(dense.contains(rid))),
            Some((_, shown)) => {
                let named = batch.column(1).as_string::<i32>();
                for (&rid, source) in rids.iter().zip(named) {
                    let source = source.is_some_and(|source| shown.contains(source));
                    bits.append(source && dense.contains(rid));
                }
            }
        }
        Some(())
    })
    .await?;
    let mut bits = bits.finish();
    if let Some(newest) = newest {
        bits = &bits & newest;
    }
    Ok(if bits.count_set_bits() == rows { RowBits::All } else { RowBits::Some(bits) })
}

/// A set of subjects as plain bits, for a test of one instruction.
struct Dense(Vec<u64>);

impl Dense {
    fn new(subjects: &RoaringBitmap, unattributed: bool) -> Self {
        let words = subjects.max().map_or(1, |max| max as usize / 64 + 1);
        let mut bits = vec![0_u64; words];
        for rid in subjects {
            bits[rid as usize / 64] |= 1 << (rid % 64);
        }
        bits[0] = (bits[0] & !1) | u64::from(unattributed);
        Self(bits)
    }

    fn contains(&self, rid: i64) -> bool {
        let Ok(rid) = usize::try_from(rid) else { return false };
        self.0.get(rid / 64).is_some_and(|word| word >> (rid % 64) & 1 == 1)
    }
}

async fn winners(table: &OpenTable, access: Access<'_>) -> Result<Winners, LakeError> {
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
                let found = (version, at, row);
                let best = newest.entry(key?.try_into().ok()?).or_insert(found);
                if found.0 > best.0 {
                    *best = found;
                }
                row += 1;
            }
            Some(())
        })
        .await?;
    }
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
    newest.values().for_each(|&(_, file, row)| bits[file].set_bit(row, true));
    Ok(table
        .files
        .iter()
        .zip(&mut bits)
        .map(|(file, bits)| (file.entry().file, bits.finish()))
        .collect())
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
    mut each: impl FnMut(&arrow::array::RecordBatch) -> Option<()>,
) -> Result<(), LakeError> {
    for row_group in 0..file.row_groups().len() {
        let range = RowRange { row_group, rows: None };
        let mut batches = Box::pin(file.read(access, columns, range, BATCH_ROWS)?);
        while let Some(batch) = batches.try_next().await? {
            each(&batch).ok_or_else(|| LakeError::Integrity {
                table: file.table().clone(),
                file: file.entry().file,
                what: "a key or version is missing",
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_subject_follow_their_own_rule() {
        let subjects = RoaringBitmap::from_iter([1, 64, 1000]);
        for unattributed in [false, true] {
            let dense = Dense::new(&subjects, unattributed);
            assert_eq!(dense.contains(0), unattributed);
            assert!(dense.contains(1) && dense.contains(64) && dense.contains(1000));
            assert!(!dense.contains(2) && !dense.contains(1001) && !dense.contains(-1));
        }
        assert!(!Dense::new(&RoaringBitmap::new(), false).contains(0));
    }
}
