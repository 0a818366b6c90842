//! Least and greatest values of row groups: statistics that are sealed with their columns.
//!
//! They tell which row groups need not be read. They are of all rows, hidden ones included, so
//! they may decide what is skipped, and nothing else may be answered from them.

use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use crate::{Access, LakeError, OpenFile};

/// What is known of a column's values in each row group of a file.
///
/// Of text only a prefix is kept, so that a bound may lie beyond the values.
#[derive(Debug, Clone)]
pub struct ColumnBounds {
    /// No value is less; null where that is not known.
    pub least: ArrayRef,
    /// No value is greater; null where that is not known.
    pub greatest: ArrayRef,
    /// How many values are null; null where that is not known.
    pub nulls: UInt64Array,
}

impl OpenFile {
    /// The bounds of a column (a position in the table); nothing if the file lacks the column.
    pub fn bounds(
        &self,
        access: Access<'_>,
        column: usize,
    ) -> Result<Option<ColumnBounds>, LakeError> {
        self.check_granted(access, column)?;
        Ok(self.bounds_of(column))
    }

    /// The range that the subjects of each row group lie in, rows about nobody as 0; nothing where
    /// that is not known.
    pub fn subject_bounds(&self) -> Vec<Option<RangeInclusive<u32>>> {
        let groups = self.row_groups().len();
        let Some(bounds) = self.bounds_of(0) else { return vec![None; groups] };
        let least = bounds.least.as_primitive_opt::<Int64Type>();
        let greatest = bounds.greatest.as_primitive_opt::<Int64Type>();
        let bound = |array: Option<&arrow::array::Int64Array>, at: usize| {
            let array = array?;
            if array.is_valid(at) { u32::try_from(array.value(at)).ok() } else { None }
        };
        (0..groups).map(|at| Some(bound(least, at)?..=bound(greatest, at)?)).collect()
    }

    fn bounds_of(&self, column: usize) -> Option<ColumnBounds> {
        let place = self.place(column)?;
        let metadata = self.metadata();
        let field = self.file_schema().fields().get(place)?;
        let parquet_schema = metadata.file_metadata().schema_descr();
        // Columns are flat, so a column's place is that of its leaf.
        let converter = StatisticsConverter::from_column_index(place, field, parquet_schema)
            .ok()?
            .with_missing_null_counts_as_zero(false);
        let groups = metadata.row_groups();
        Some(ColumnBounds {
            least: converter.row_group_mins(groups).ok()?,
            greatest: converter.row_group_maxes(groups).ok()?,
            nulls: converter.row_group_null_counts(groups).ok()?,
        })
    }
}
