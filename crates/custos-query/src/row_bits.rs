//! Which rows of a file may be seen: one bit a row, kept for as long as the answer holds.
//!
//! The bits of a file follow from who is visible. When that changes, only the row groups that hold
//! somebody for whom it changed are looked at again; most files hold nobody of them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use custos_core::{FileId, Purpose};
use custos_lake::{Access, LakeError, OpenFile, RowRange};
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::GovernedSource;
use crate::aging::Aging;
use crate::mutants::{self, Mutant};
use crate::newest_rows::{Newest, NewestRows};
use crate::population::{Asked, Stamp, VisibleSubjects};

const BATCH_ROWS: usize = 65_536;

/// Bytes of bit vectors that are kept: those of two thousand million rows.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// What one kept vector costs besides its bits.
const SLOT_BYTES: usize = 256;

/// The visible rows of a file.
#[derive(Debug, Clone)]
pub(crate) enum RowBits {
    /// All of them; reading costs nothing extra.
    All,
    /// None of them; the file is not read.
    Nothing,
    /// Those whose bit is set.
    Some(BooleanBuffer),
}

impl RowBits {
    fn of(bits: BooleanBuffer) -> Self {
        match bits.count_set_bits() {
            0 => Self::Nothing,
            set if set == bits.len() => Self::All,
            _ => Self::Some(bits),
        }
    }

    /// The bits of some of the rows.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Some(bits) => Self::of(bits.slice(rows.start, rows.len())),
            uniform => uniform.clone(),
        }
    }

    /// The rows that are in both.
    pub(crate) fn and(&self, other: &BooleanBuffer) -> Self {
        match self {
            Self::All => Self::of(other.clone()),
            Self::Nothing => Self::Nothing,
            Self::Some(bits) => Self::of(bits & other),
        }
    }

    fn append_to(&self, builder: &mut BooleanBufferBuilder, rows: Range<usize>) {
        match self {
            Self::All => builder.append_n(rows.len(), true),
            Self::Nothing => builder.append_n(rows.len(), false),
            Self::Some(bits) => builder.append_buffer(&bits.slice(rows.start, rows.len())),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::All | Self::Nothing => SLOT_BYTES,
            Self::Some(bits) => SLOT_BYTES + bits.len() / 8,
        }
    }
}

/// What a bit vector is for, besides who is visible at the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    file: FileId,
    purpose: Purpose,
    asked: Asked,
    unattributed: bool,
    aging: Option<Aging>,
}

/// The bits as of one moment.
#[derive(Debug, Clone)]
struct Kept {
    stamp: Stamp,
    /// Those of the file's subjects that were visible then.
    visible: RoaringBitmap,
    bits: RowBits,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.bits.bytes() + self.visible.serialized_size()
    }
}

/// One bit vector; whoever computes it holds the lock, so that no two do.
#[derive(Debug, Default)]
struct Slot {
    kept: Arc<tokio::sync::Mutex<Option<Kept>>>,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Slots {
    of: HashMap<Key, Slot>,
    bytes: usize,
    uses: u64,
}

/// Bit vectors by file and purpose, up to a number of bytes; the longest unused go first.
#[derive(Debug, Default)]
pub(crate) struct RowBitsCache {
    slots: Mutex<Slots>,
    newest: Newest,
}

/// A table at one version, opened for a reader.
#[derive(Debug)]
pub(crate) struct OpenTable {
    pub(crate) source: Arc<GovernedSource>,
    pub(crate) version: u64,
    pub(crate) files: Vec<Arc<OpenFile>>,
    pub(crate) rules: RowRules,
}

/// What decides about rows besides whom they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowRules {
    /// The column that names a row's source, and the sources that the purpose may show.
    pub(crate) sources: Option<(usize, BTreeSet<String>)>,
    /// The least event time of rows that may be shown.
    pub(crate) aging: Option<Aging>,
}

impl RowRules {
    /// The columns that decide, the subject first.
    fn columns(&self) -> Vec<usize> {
        let source = self.sources.as_ref().map(|rule| rule.0);
        let time = self.aging.as_ref().and_then(|aging| aging.column);
        std::iter::once(0).chain(source).chain(time).collect()
    }

    /// The rows of a batch of these columns that they let through.
    fn pass(&self, batch: &RecordBatch) -> Option<BooleanBuffer> {
        let mut columns = batch.columns().iter().skip(1);
        let source = match &self.sources {
            Some((_, shown)) => {
                let named = columns.next()?.as_string_opt::<i32>()?;
                let shown = |at| named.is_valid(at) && shown.contains(named.value(at));
                Some(BooleanBuffer::collect_bool(named.len(), shown))
            }
            None => None,
        };
        let young = match &self.aging {
            Some(aging) if aging.column.is_some() => Some(aging.young(columns.next()?)),
            Some(aging) if !aging.shows_undated() => {
                Some(BooleanBuffer::new_unset(batch.num_rows()))
            }
            _ => None,
        };
        match (source, young) {
            (Some(one), Some(other)) => Some(&one & &other),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => Some(BooleanBuffer::new_set(batch.num_rows())),
        }
    }
}

/// For whom rows are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer<'a> {
    pub(crate) access: Access<'a>,
    pub(crate) visible: &'a Arc<VisibleSubjects>,
    /// Whether rows about nobody are shown.
    pub(crate) unattributed: bool,
}

impl RowBitsCache {
    /// The rows of one file of a table that a viewer may see.
    pub(crate) async fn of_file(
        &self,
        table: &OpenTable,
        file: &OpenFile,
        viewer: Viewer<'_>,
    ) -> Result<RowBits, LakeError> {
        let key = Key {
            file: file.entry().file,
            purpose: viewer.visible.stamp.purpose.clone(),
            asked: viewer.visible.stamp.asked,
            unattributed: viewer.unattributed,
            aging: table.rules.aging.clone(),
        };
        let slot = self.slot(&key);
        let mut kept = slot.lock().await;
        if let Some(kept) = &*kept
            && (kept.stamp == viewer.visible.stamp || mutants::is_on(Mutant::OldRowBits))
        {
            return Ok(kept.bits.clone());
        }
        let visible = &viewer.visible.subjects & file.subjects();
        let bits = match &*kept {
            None => compute(file, viewer, &table.rules).await?,
            Some(before) => {
                let changed = &before.visible ^ &visible;
                update(file, viewer, &table.rules, &before.bits, &changed).await?
            }
        };
        let now = Kept { stamp: viewer.visible.stamp.clone(), visible, bits: bits.clone() };
        let bytes = now.bytes();
        *kept = Some(now);
        drop(kept);
        self.account(&key, bytes);
        Ok(bits)
    }

    /// For each file the rows that no newer version of their record supersedes; nothing for a
    /// table without versions.
    pub(crate) async fn newest(
        &self,
        table: &OpenTable,
        access: Access<'_>,
    ) -> Result<Option<Arc<NewestRows>>, LakeError> {
        self.newest.of_table(table, access).await
    }

    fn slot(&self, key: &Key) -> Arc<tokio::sync::Mutex<Option<Kept>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.uses += 1;
        let used = slots.uses;
        let slot = slots.of.entry(key.clone()).or_default();
        slot.used = used;
        Arc::clone(&slot.kept)
    }

    /// Takes the size of a vector into account, and lets go of what is too much.
    fn account(&self, key: &Key, bytes: usize) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.of.get_mut(key) else { return };
        let before = std::mem::replace(&mut slot.bytes, bytes);
        slots.bytes = slots.bytes - before + bytes;
        if slots.bytes <= KEPT_BYTES_MAX {
            return;
        }
        let mut by_use: Vec<(u64, Key)> =
            slots.of.iter().map(|(key, slot)| (slot.used, key.clone())).collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        // Down to three quarters, so that this is seldom.
        for (_, key) in by_use {
            if slots.bytes <= KEPT_BYTES_MAX / 4 * 3 {
                break;
            }
            let gone = slots.of.remove(&key).map_or(0, |slot| slot.bytes);
            slots.bytes -= gone;
        }
    }
}

/// The bits of a file that nothing is known of yet.
async fn compute(
    file: &OpenFile,
    viewer: Viewer<'_>,
    rules: &RowRules,
) -> Result<RowBits, LakeError> {
    let visible = &viewer.visible.subjects;
    let groups = file.row_groups();
    // Whether everybody in it is visible, or nobody, is known without reading a column.
    let names_all = file
        .subject_bounds()
        .iter()
        .all(|bounds| bounds.as_ref().is_some_and(|bounds| *bounds.start() > 0));
    if (names_all || !viewer.unattributed) && file.subjects().is_disjoint(visible) {
        return Ok(RowBits::Nothing);
    }
    let young = match &rules.aging {
        Some(aging) => aging.passed_by(file, viewer.access).into_iter().all(|passes| passes),
        None => true,
    };
    if rules.sources.is_none() && young {
        let all_visible = match mutants::is_on(Mutant::AllIfAny) {
            true => !file.subjects().is_disjoint(visible),
            false => file.subjects().is_subset(visible),
        };
        if (names_all || viewer.unattributed) && all_visible {
            return Ok(RowBits::All);
        }
    }
    let stale = vec![true; groups.len()];
    read(file, viewer, rules, &RowBits::Nothing, &stale).await
}

/// The bits of a file after the visibility of some of its subjects changed.
async fn update(
    file: &OpenFile,
    viewer: Viewer<'_>,
    rules: &RowRules,
    before: &RowBits,
    changed: &RoaringBitmap,
) -> Result<RowBits, LakeError> {
    if changed.is_empty() {
        return Ok(before.clone());
    }
    let mut stale: Vec<bool> = file
        .subject_bounds()
        .into_iter()
        .map(|bounds| bounds.is_none_or(|bounds| changed.range_cardinality(bounds) > 0))
        .collect();
    if mutants::is_on(Mutant::OneGroupUpdated)
        && let Some(first) = stale.iter().position(|stale| *stale)
    {
        stale[first + 1..].fill(false);
    }
    read(file, viewer, rules, before, &stale).await
}

/// Reads the subjects of the stale row groups, and takes the bits of the others over.
async fn read(
    file: &OpenFile,
    viewer: Viewer<'_>,
    rules: &RowRules,
    before: &RowBits,
    stale: &[bool],
) -> Result<RowBits, LakeError> {
    let groups = file.row_groups();
    let mut bits = BooleanBufferBuilder::new(groups.iter().sum());
    let seen = |rid| viewer.visible.dense().contains(rid, viewer.unattributed);
    let columns = rules.columns();
    let mut from = 0;
    for (group, rows) in groups.into_iter().enumerate() {
        let range = from..from + rows;
        from += rows;
        if !stale.get(group).is_none_or(|stale| *stale) {
            before.append_to(&mut bits, range);
            continue;
        }
        let mut batches =
            Box::pin(file.read(viewer.access, &columns, RowRange::group(group), BATCH_ROWS)?);
        while let Some(batch) = batches.try_next().await? {
            let rids = batch.column(0).as_primitive::<Int64Type>().values();
            let pass = rules.pass(&batch).ok_or_else(|| LakeError::Integrity {
                table: file.table().clone(),
                file: file.entry().file,
                what: "a column that decides about rows is of another type",
            })?;
            let seen = BooleanBuffer::collect_bool(rids.len(), |at| seen(rids[at]));
            bits.append_buffer(&(&seen & &pass));
        }
    }
    Ok(RowBits::of(bits.finish()))
}

#[cfg(test)]
mod tests;
