//! Proofs that an entry is part of the log.

use custos_keys::PublicKey;
use serde::{Deserialize, Serialize};

use crate::{AuditError, SignedHead, TreeHash};

/// The hashes that lead from one leaf to the root of the log of some size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The index of the leaf.
    pub index: u64,
    /// The size of the log.
    pub size: u64,
    /// The hashes beside the way, lowest first.
    pub path: Vec<TreeHash>,
}

impl InclusionProof {
    /// The root this proof gives for a leaf, RFC 9162 section 2.1.3.2; `None` if its form is
    /// wrong for index and size.
    pub(crate) fn root(&self, leaf: TreeHash) -> Option<TreeHash> {
        if self.index >= self.size {
            return None;
        }
        let (mut node, mut last) = (self.index, self.size - 1);
        let mut hash = leaf;
        for beside in &self.path {
            if last == 0 {
                return None;
            }
            if node % 2 == 1 || node == last {
                hash = TreeHash::of_node(beside, &hash);
                while node.is_multiple_of(2) && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = TreeHash::of_node(&hash, beside);
            }
            node >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(hash)
    }
}

/// Checks that `leaf` is the entry at the proof's index in the log that `head` stands for, and
/// that the owner of `key` signed the head. Needs nothing but its arguments.
pub fn verify_inclusion(
    leaf: &[u8],
    proof: &InclusionProof,
    head: &SignedHead,
    key: &PublicKey,
) -> Result<(), AuditError> {
    head.verify(key)?;
    if is_included(leaf, proof, head) { Ok(()) } else { Err(AuditError::NotIncluded) }
}

/// Whether the proof leads from the leaf to the head, whoever signed it.
pub(crate) fn is_included(leaf: &[u8], proof: &InclusionProof, head: &SignedHead) -> bool {
    proof.size == head.size && proof.root(TreeHash::of_leaf(leaf)) == Some(head.root)
}
