//! The identity vault: the one room of direct identifiers, and who is whom.
//!
//! `vault.identifiers` holds a row for each identifier that a source gave a subject, in a column
//! of its type, so that masks and secrets work by column. `vault.persons` holds the result of
//! identity resolution and `vault.links` the evidence for it.

mod hashes;
mod identifiers;
mod index;
mod persons;

pub use hashes::{IdentifierHashes, UNLINKED};
pub use identifiers::{
    IdentifierRow, IndexRow, identifiers_batch, identifiers_spec, read_index, read_values,
};
pub use index::{Holder, Sought, VaultIndex};
pub use persons::{LinkRow, links_batch, links_spec, persons_batch, persons_spec, read_persons};

use arrow::array::RecordBatch;
use futures::TryStreamExt;

use crate::{Access, LakeError, RowRange, Table};

const BATCH_ROWS: usize = 65_536;

/// Reads the named columns of all live rows of a table, batch by batch.
///
/// For jobs that need a whole table; people's queries go through governed scans.
pub async fn read_all(
    table: &Table,
    access: Access<'_>,
    columns: &[&str],
    mut each: impl FnMut(&RecordBatch) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let positions: Vec<usize> =
        columns.iter().filter_map(|name| table.spec().position(name)).collect();
    if positions.len() != columns.len() {
        return Err(shape(table, "a column that was asked for does not exist"));
    }
    for file in table.open_current(access).await?.1 {
        for row_group in 0..file.row_groups().len() {
            let range = RowRange::group(row_group);
            let mut batches = Box::pin(file.read(access, &positions, range, BATCH_ROWS)?);
            while let Some(batch) = batches.try_next().await? {
                each(&batch)?;
            }
        }
    }
    Ok(())
}

fn shape(table: &Table, what: &str) -> LakeError {
    LakeError::Shape { table: table.name().clone(), what: what.into() }
}
