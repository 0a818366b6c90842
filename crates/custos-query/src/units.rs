//! The pieces that a scan is read in.

use std::ops::Range;
use std::sync::Arc;

use custos_lake::OpenFile;

/// Rows of a piece, unless one row group alone has more.
const UNIT_ROWS: usize = 131_072;

/// Neighbouring row groups of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The file's place among those of its table.
    pub(crate) file: usize,
    /// The row groups.
    pub(crate) row_groups: Range<usize>,
    /// Their rows, counted from the start of the file.
    pub(crate) rows: Range<usize>,
}

/// Cuts files into pieces, leaving out the row groups for which `keep` says so.
pub(crate) fn cut(files: &[Arc<OpenFile>], keep: impl Fn(&OpenFile) -> Vec<bool>) -> Vec<Unit> {
    let mut units = Vec::new();
    for (at, file) in files.iter().enumerate() {
        cut_file(at, &file.row_groups(), &keep(file), &mut units);
    }
    units
}

fn cut_file(file: usize, groups: &[usize], keep: &[bool], units: &mut Vec<Unit>) {
    let mut from = 0;
    for (group, rows) in groups.iter().enumerate() {
        let range = from..from + rows;
        from = range.end;
        if !keep.get(group).is_none_or(|keep| *keep) {
            continue;
        }
        match units.last_mut() {
            Some(unit)
                if unit.file == file
                    && unit.row_groups.end == group
                    && unit.rows.len() + rows <= UNIT_ROWS =>
            {
                unit.row_groups.end = group + 1;
                unit.rows.end = range.end;
            }
            _ => units.push(Unit { file, row_groups: group..group + 1, rows: range }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pieces_are_the_kept_row_groups_each_once(
            groups in prop::collection::vec((1_usize..200_000, any::<bool>()), 0..40)
        ) {
            let (rows, keep): (Vec<usize>, Vec<bool>) = groups.into_iter().unzip();
            let mut units = Vec::new();
            cut_file(7, &rows, &keep, &mut units);
            let read: Vec<usize> = units.iter().flat_map(|unit| unit.row_groups.clone()).collect();
            let kept: Vec<usize> = (0..rows.len()).filter(|&at| keep[at]).collect();
            prop_assert_eq!(read, kept);
            for unit in units {
                let before: usize = rows[..unit.row_groups.start].iter().sum();
                let inside: usize = rows[unit.row_groups.clone()].iter().sum();
                prop_assert_eq!(&unit.rows, &(before..before + inside));
                prop_assert!(inside <= UNIT_ROWS || unit.row_groups.len() == 1);
                prop_assert_eq!(unit.file, 7);
            }
        }
    }
}
