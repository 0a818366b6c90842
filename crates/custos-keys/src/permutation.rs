//! A keyed permutation of integers, for the ids that callers see.

use std::fmt;

use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aes::{Aes128, Block};
use zeroize::Zeroizing;

use crate::Secret;

const LEFT_MASK: u64 = (1 << 26) - 1;
const RIGHT_BITS: u32 = 27;
const RIGHT_MASK: u64 = (1 << RIGHT_BITS) - 1;
const BOUND: u64 = 1 << 53;

/// Each changes both halves once, so these are eight rounds.
const DOUBLE_ROUNDS: u8 = 4;

/// How many values go through AES side by side.
const LANES: usize = 16;

/// A permutation of the integers below 2^53, which JSON and JavaScript carry exactly.
///
/// A Feistel network over halves of 26 and 27 bits with AES-128 as round function, built as FF1
/// of NIST SP 800-38G is. One purpose's permutation tells nothing about another's.
pub struct IdPermutation(Aes128);

impl IdPermutation {
    pub(crate) fn new(secret: &Secret) -> Self {
        // An AES-128 key is the first half of the derived secret; the other half is not used.
        Self(secret.expose(|bytes| {
            let mut key = Zeroizing::new([0; 16]);
            key.copy_from_slice(&bytes[..16]);
            Aes128::new((&*key).into())
        }))
    }

    /// The id that callers see for `value`. Values of 2^53 and more are left as they are.
    pub fn forward(&self, value: u64) -> u64 {
        if value >= BOUND {
            return value;
        }
        let (mut left, mut right) = halves(value);
        for round in 0..DOUBLE_ROUNDS {
            left ^= self.mix(2 * round, right) & LEFT_MASK;
            right ^= self.mix(2 * round + 1, left) & RIGHT_MASK;
        }
        whole(left, right)
    }

    /// Does [`IdPermutation::forward`] for a column of values in place, several times as fast.
    pub fn forward_all(&self, values: &mut [u64]) {
        for lanes in values.chunks_mut(LANES) {
            let mut left = [0; LANES];
            let mut right = [0; LANES];
            for (lane, &value) in lanes.iter().enumerate() {
                (left[lane], right[lane]) = halves(value);
            }
            for round in 0..DOUBLE_ROUNDS {
                self.mix_into(&mut left, LEFT_MASK, 2 * round, &right);
                self.mix_into(&mut right, RIGHT_MASK, 2 * round + 1, &left);
            }
            for (lane, value) in lanes.iter_mut().enumerate() {
                if *value < BOUND {
                    *value = whole(left[lane], right[lane]);
                }
            }
        }
    }

    /// The value whose id is `id`; `None` if `id` is 2^53 or more, which no id is.
    pub fn inverse(&self, id: u64) -> Option<u64> {
        if id >= BOUND {
            return None;
        }
        let (mut left, mut right) = halves(id);
        for round in (0..DOUBLE_ROUNDS).rev() {
            right ^= self.mix(2 * round + 1, left) & RIGHT_MASK;
            left ^= self.mix(2 * round, right) & LEFT_MASK;
        }
        Some(whole(left, right))
    }

    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut block = block(round, half);
        self.0.encrypt_block(&mut block);
        low_bits(&block)
    }

    fn mix_into(&self, into: &mut [u64; LANES], mask: u64, round: u8, from: &[u64; LANES]) {
        let mut blocks = from.map(|half| block(round, half));
        self.0.encrypt_blocks(&mut blocks);
        for (half, block) in into.iter_mut().zip(&blocks) {
            *half ^= low_bits(block) & mask;
        }
    }
}

fn halves(value: u64) -> (u64, u64) {
    (value >> RIGHT_BITS, value & RIGHT_MASK)
}

fn whole(left: u64, right: u64) -> u64 {
    left << RIGHT_BITS | right
}

fn block(round: u8, half: u64) -> Block {
    (u128::from(half) << 8 | u128::from(round)).to_le_bytes().into()
}

fn low_bits(block: &Block) -> u64 {
    u128::from_le_bytes((*block).into()) as u64
}

impl fmt::Debug for IdPermutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdPermutation(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn permutation(seed: u8) -> IdPermutation {
        IdPermutation::new(&Secret::from_bytes(&[seed; 32]))
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_it(value in 0..BOUND, seed: u8) {
            let permutation = permutation(seed);
            let id = permutation.forward(value);
            prop_assert!(id < BOUND);
            prop_assert_eq!(permutation.inverse(id), Some(value));
            prop_assert_eq!(permutation.forward(permutation.inverse(value).unwrap()), value);
        }

        #[test]
        fn a_column_is_permuted_as_each_of_its_values(
            mut values in prop::collection::vec(0..BOUND + 9, 0..40),
        ) {
            let permutation = permutation(4);
            let each: Vec<u64> = values.iter().map(|&value| permutation.forward(value)).collect();
            permutation.forward_all(&mut values);
            prop_assert_eq!(values, each);
        }

        #[test]
        fn what_no_id_is_has_no_inverse(value in BOUND..) {
            prop_assert_eq!(permutation(0).inverse(value), None);
            prop_assert_eq!(permutation(0).forward(value), value);
        }
    }

    #[test]
    fn dense_values_get_different_ids() {
        let permutation = permutation(1);
        let ids: HashSet<u64> = (0..100_000).map(|value| permutation.forward(value)).collect();
        assert_eq!(ids.len(), 100_000);
    }

    #[test]
    fn purposes_share_no_ids_by_rule() {
        let (first, second) = (permutation(1), permutation(2));
        let equal = (0..10_000).filter(|&value| first.forward(value) == second.forward(value));
        assert_eq!(equal.count(), 0);
    }

    #[test]
    fn ids_of_dense_values_are_spread_over_the_range() {
        const COUNT: u64 = 64_000;
        let permutation = permutation(3);
        let mut buckets = [0_u64; 64];
        let mut ones = [0_u64; 53];
        for value in 1..=COUNT {
            let id = permutation.forward(value);
            buckets[(id >> 47) as usize] += 1;
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += id >> bit & 1;
            }
        }
        // Six standard deviations about the mean of 1000 and of 32000.
        assert!(buckets.iter().all(|&count| count.abs_diff(1000) < 190), "{buckets:?}");
        assert!(ones.iter().all(|&count| count.abs_diff(COUNT / 2) < 760), "{ones:?}");
    }

    #[test]
    fn the_mapping_of_stored_ids_does_not_change() {
        // Computed with OpenSSL's AES.
        let ids = [5_410_117_426_512_521, 6_918_216_043_231_825, 6_841_611_878_311_582];
        assert_eq!([0, 1, 2].map(|value| permutation(9).forward(value)), ids);
    }
}
