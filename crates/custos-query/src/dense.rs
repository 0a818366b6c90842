//! A set of subjects as plain bits, for a test of one instruction.

use roaring::RoaringBitmap;

#[derive(Debug)]
pub(crate) struct Dense(Vec<u64>);

impl Dense {
    pub(crate) fn new(subjects: &RoaringBitmap) -> Self {
        let words = subjects.max().map_or(1, |max| max as usize / 64 + 1);
        let mut bits = vec![0_u64; words];
        for rid in subjects {
            bits[rid as usize / 64] |= 1 << (rid % 64);
        }
        Self(bits)
    }

    /// Whether a row of this subject (a value of a subject column) is in; rows about nobody are
    /// if the caller says so.
    pub(crate) fn contains(&self, rid: i64, unattributed: bool) -> bool {
        if rid == 0 {
            return unattributed;
        }
        let Ok(rid) = usize::try_from(rid) else { return false };
        self.0.get(rid / 64).is_some_and(|word| word >> (rid % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_subject_follow_their_own_rule() {
        let subjects = RoaringBitmap::from_iter([1, 64, 1000]);
        let dense = Dense::new(&subjects);
        for unattributed in [false, true] {
            assert_eq!(dense.contains(0, unattributed), unattributed);
            for rid in [1, 64, 1000] {
                assert!(dense.contains(rid, unattributed));
            }
            for rid in [2, 1001, -1] {
                assert!(!dense.contains(rid, unattributed));
            }
        }
        assert!(!Dense::new(&RoaringBitmap::new()).contains(0, false));
    }
}
