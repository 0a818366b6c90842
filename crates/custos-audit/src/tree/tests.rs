use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

pub(crate) fn leaf_bytes(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

fn tree(size: u64) -> Tree {
    let mut tree = Tree::default();
    for index in 0..size {
        tree.push(TreeHash::of_leaf(&leaf_bytes(index)));
    }
    tree
}

fn blocks(size: u64) -> Blocks {
    let mut blocks = Blocks::new();
    for index in 0..size {
        let leaf = TreeHash::of_leaf(&leaf_bytes(index));
        blocks.entry(index / BLOCK_LEAVES).or_default().push(leaf);
    }
    blocks
}

/// The Merkle tree hash word for word as RFC 9162 section 2.1.1 defines it.
fn naive(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves.len() {
        0 => Sha256::digest([]).into(),
        1 => Sha256::digest([&[0], &leaves[0][..]].concat()).into(),
        count => {
            let mut split = 1;
            while split * 2 < count {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            Sha256::digest([&[1], &naive(left)[..], &naive(right)[..]].concat()).into()
        }
    }
}

fn naive_of(size: u64) -> TreeHash {
    TreeHash(naive(&(0..size).map(leaf_bytes).collect::<Vec<_>>()))
}

/// Small sizes, and those around the ends of blocks.
fn is_telling(size: u64) -> bool {
    size <= 70 || (size + 2) % BLOCK_LEAVES < 5
}

#[test]
fn the_root_is_that_of_the_definition_at_each_size() {
    let mut tree = Tree::default();
    for size in 0..1100 {
        assert_eq!(tree.size(), size);
        if is_telling(size) {
            assert_eq!(tree.root(), naive_of(size), "size {size}");
        }
        tree.push(TreeHash::of_leaf(&leaf_bytes(size)));
    }
}

#[test]
fn a_root_of_the_past_is_that_of_the_definition() {
    let tree = tree(1100);
    let blocks = blocks(1100);
    for size in (0..=1100).filter(|&size| is_telling(size)) {
        assert_eq!(tree.root_of(size, &blocks), Some(naive_of(size)), "size {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn large_trees_need_only_the_blocks_at_the_index_and_the_end(
        size in 1..3000_u64, share in 0.0..1.0_f64, more in 0..600_u64,
    ) {
        let index = (size as f64 * share) as u64;
        let tree = tree(size + more);
        let mut known = blocks(size + more);
        let end = (size - 1) / BLOCK_LEAVES;
        known.retain(|&block, _| block == index / BLOCK_LEAVES || block == end);
        prop_assert_eq!(tree.root_of(size, &known), Some(naive_of(size)));
        prop_assert!(tree.path(index, size, &known).is_some());
    }
}

#[test]
fn the_hash_of_nothing_is_written_down_rightly() {
    assert_eq!(naive_of(0), TreeHash::EMPTY);
}

#[test]
fn a_hash_survives_being_text() {
    let hash = naive_of(3);
    assert_eq!(hash.to_string().parse::<TreeHash>().unwrap(), hash);
    assert!("AAAA".parse::<TreeHash>().is_err());
}
