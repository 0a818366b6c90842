//! The tree of hashes, RFC 9162 section 2.1.

mod hash;

use std::collections::BTreeMap;

pub use hash::TreeHash;

/// Leaves are forgotten in blocks of this many; a block's hash stays.
pub(crate) const BLOCK_LEAVES: u64 = 1 << BLOCK_LEVEL;
const BLOCK_LEVEL: u32 = 8;

/// Hashes of all complete subtrees down to blocks of 256 leaves, and of the leaves of the last,
/// incomplete block: a quarter of a byte for each leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// `levels[k][i]` is the hash of the leaves from `i << (k + 8)` to `(i + 1) << (k + 8)`.
    levels: Vec<Vec<TreeHash>>,
    tail: Vec<TreeHash>,
    size: u64,
}

/// Leaf hashes of blocks that a [`Tree`] has forgotten, by the index of the block.
pub(crate) type Blocks = BTreeMap<u64, Vec<TreeHash>>;

impl Tree {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf at the end.
    pub(crate) fn push(&mut self, leaf: TreeHash) {
        self.tail.push(leaf);
        self.size += 1;
        if self.tail.len() as u64 == BLOCK_LEAVES {
            let block = hash_of(&self.tail);
            self.tail.clear();
            self.push_block(block);
        }
    }

    /// The hash of the whole log.
    pub(crate) fn root(&self) -> TreeHash {
        let view = View { tree: self, blocks: &Blocks::new() };
        // The whole log needs no leaf outside the tail.
        view.range(0, self.size).unwrap_or(TreeHash::EMPTY)
    }

    /// The hash of the first `size` leaves; `None` if it needs a leaf that is in no block given.
    pub(crate) fn root_of(&self, size: u64, blocks: &Blocks) -> Option<TreeHash> {
        View { tree: self, blocks }.range(0, size)
    }

    /// The hashes that lead from leaf `index` to the root of the first `size` leaves, lowest
    /// first; `None` if that needs a leaf that is in no block given.
    pub(crate) fn path(&self, index: u64, size: u64, blocks: &Blocks) -> Option<Vec<TreeHash>> {
        let view = View { tree: self, blocks };
        let (mut low, mut high) = (0, size);
        let mut path = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                path.push(view.range(middle, high)?);
                high = middle;
            } else {
                path.push(view.range(low, middle)?);
                low = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    fn push_block(&mut self, block: TreeHash) {
        let mut carried = Some(block);
        for level in 0.. {
            let Some(hash) = carried.take() else { return };
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            if let [.., left, right] = &nodes[..]
                && nodes.len().is_multiple_of(2)
            {
                carried = Some(TreeHash::of_node(left, right));
            }
        }
    }
}

/// A tree together with leaves read again.
struct View<'a> {
    tree: &'a Tree,
    blocks: &'a Blocks,
}

impl View<'_> {
    /// The hash of the leaves from `low` to before `high`.
    fn range(&self, low: u64, high: u64) -> Option<TreeHash> {
        match high - low {
            0 => Some(TreeHash::EMPTY),
            1 => self.leaf(low),
            count => {
                if let Some(known) = self.node(low, count) {
                    return Some(known);
                }
                let middle = low + split(count);
                Some(TreeHash::of_node(&self.range(low, middle)?, &self.range(middle, high)?))
            }
        }
    }

    /// The hash of a complete subtree, if it is one that the tree keeps.
    fn node(&self, low: u64, count: u64) -> Option<TreeHash> {
        if !count.is_power_of_two() {
            return None;
        }
        let level = count.trailing_zeros().checked_sub(BLOCK_LEVEL)?;
        let nodes = self.tree.levels.get(usize::try_from(level).ok()?)?;
        nodes.get(usize::try_from(low / count).ok()?).copied()
    }

    fn leaf(&self, index: u64) -> Option<TreeHash> {
        let (block, within) = (index / BLOCK_LEAVES, (index % BLOCK_LEAVES) as usize);
        let leaves = match self.blocks.get(&block) {
            Some(leaves) => leaves,
            None if block == self.tree.size / BLOCK_LEAVES => &self.tree.tail,
            None => return None,
        };
        leaves.get(within).copied()
    }
}

/// Where a tree of `count` leaves, at least two, is divided: the largest power of two below.
pub(crate) fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn hash_of(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::EMPTY,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
            TreeHash::of_node(&hash_of(left), &hash_of(right))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
