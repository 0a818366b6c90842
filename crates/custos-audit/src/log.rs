//! The log itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use custos_core::Clock;
use custos_keys::SigningKey;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::appender::Appender;
use crate::tree::{BLOCK_LEAVES, Blocks, Tree};
use crate::{AuditError, AuditStore, Entry, InclusionProof, SignedHead, TreeHash};

const PAGE_LEAVES: u32 = 4096;

/// The append-only log of one installation; several processes may write it at once.
///
/// Appending costs what the store costs, shared among those who append at the time. Heads and proofs need the hashes of all entries: they
/// are read once and remembered in blocks, so the first head of a process reads the whole log
/// and later ones what is new.
#[derive(Debug)]
pub struct AuditLog {
    store: Arc<dyn AuditStore>,
    appender: Arc<Appender>,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    tree: Mutex<Tree>,
}

/// What a verification found to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many entries there are.
    pub size: u64,
    /// The hash of all of them.
    pub root: TreeHash,
    /// How many heads were checked against the entries.
    pub heads_checked: u64,
}

/// An entry as exported: with its index, and word for word as it was hashed.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedEntry {
    /// Where in the log it is.
    pub index: u64,
    /// The leaf, which is JSON of an [`Entry`]; its bytes are what proofs are about.
    pub entry: Box<RawValue>,
}

impl ExportedEntry {
    /// The bytes of the leaf, as [`verify_inclusion`](crate::verify_inclusion) takes them.
    pub fn leaf(&self) -> &[u8] {
        self.entry.get().as_bytes()
    }

    /// The leaf read as an entry.
    pub fn entry(&self) -> Result<Entry, AuditError> {
        entry_of(self.index, self.leaf())
    }
}

impl AuditLog {
    /// The log in `store`, whose heads are signed with `key` at the time of `clock`.
    pub fn new(store: Arc<dyn AuditStore>, key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        let appender = Arc::new(Appender::new(Arc::clone(&store)));
        Self { store, appender, key, clock, tree: Mutex::default() }
    }

    /// Appends an entry, durable when it returns; returns its index.
    pub async fn append(&self, entry: Entry) -> Result<u64, AuditError> {
        self.append_all(&[entry]).await
    }

    /// Appends entries one after the other, all or none; returns the index of the first.
    pub async fn append_all(&self, entries: &[Entry]) -> Result<u64, AuditError> {
        let leaves = entries.iter().map(Entry::to_leaf).collect::<Result<_, _>>()?;
        Ok(self.appender.append(leaves).await?)
    }

    /// Signs what the log is now, and keeps the head in the store.
    pub async fn head(&self) -> Result<SignedHead, AuditError> {
        let len = self.store.len().await?;
        self.catch_up(len).await?;
        let (size, root) = {
            let tree = self.tree();
            (tree.size(), tree.root())
        };
        let head = SignedHead::sign(size, root, self.clock.now(), &self.key);
        self.store.put_head(&head).await?;
        Ok(head)
    }

    /// Proves that the entry at `index` is part of the log of `size` entries, that of a head.
    pub async fn prove(&self, index: u64, size: u64) -> Result<InclusionProof, AuditError> {
        let len = self.store.len().await?;
        if index >= size || size > len {
            return Err(AuditError::OutOfRange { index, size, len });
        }
        self.catch_up(size).await?;
        let mut blocks = Blocks::new();
        for block in [index / BLOCK_LEAVES, (size - 1) / BLOCK_LEAVES] {
            blocks.insert(block, self.block(block).await?);
        }
        let changed = AuditError::Changed { first: 0, size };
        let leaf = blocks
            .get(&(index / BLOCK_LEAVES))
            .and_then(|leaves| leaves.get((index % BLOCK_LEAVES) as usize).copied());
        let (root, path) = {
            let tree = self.tree();
            (tree.root_of(size, &blocks), tree.path(index, size, &blocks))
        };
        let (Some(leaf), Some(root), Some(path)) = (leaf, root, path) else {
            return Err(changed);
        };
        let proof = InclusionProof { index, size, path };
        // The leaves were read anew; a proof of something else than was remembered is none.
        if proof.root(leaf) == Some(root) { Ok(proof) } else { Err(changed) }
    }

    /// Recomputes the whole log and checks every head in the store against it.
    ///
    /// The error names the first entry or head that is wrong. What was cut off after the last
    /// head in the store shows only in heads kept elsewhere: [`AuditLog::verify_against`].
    pub async fn verify(&self) -> Result<Verification, AuditError> {
        self.verify_against(&[]).await
    }

    /// Does [`AuditLog::verify`] with `witnessed` heads too, such as those in certificates.
    pub async fn verify_against(
        &self,
        witnessed: &[SignedHead],
    ) -> Result<Verification, AuditError> {
        // Heads first: each then stands for entries that were there when the length is taken.
        let mut heads = self.store.heads().await?;
        heads.extend_from_slice(witnessed);
        heads.sort_by_key(|head| head.size);
        let len = self.store.len().await?;
        let public = self.key.public();
        let mut checking = Checking { tree: Tree::default(), heads: &heads, vouched: 0 };
        for head in &heads {
            head.verify(&public)?;
        }
        checking.check_heads()?;
        while checking.tree.size() < len {
            for (index, leaf) in self.page(checking.tree.size(), len).await? {
                entry_of(index, &leaf)?;
                checking.tree.push(TreeHash::of_leaf(&leaf));
                checking.check_heads()?;
            }
        }
        if let Some(head) = checking.heads.first() {
            return Err(AuditError::Truncated { size: head.size, len });
        }
        Ok(Verification {
            size: len,
            root: checking.tree.root(),
            heads_checked: heads.len() as u64,
        })
    }

    /// A page of entries from `from` on, at most `limit`; empty at the end of the log.
    pub async fn export(&self, from: u64, limit: u32) -> Result<Vec<ExportedEntry>, AuditError> {
        self.store.read(from, limit).await?.into_iter().map(exported).collect()
    }

    /// Brings what is remembered to at least `len` entries.
    async fn catch_up(&self, len: u64) -> Result<(), AuditError> {
        loop {
            let known = self.tree().size();
            if known >= len {
                return Ok(());
            }
            let page = self.page(known, len).await?;
            let mut tree = self.tree();
            for (index, leaf) in page {
                // Another call may have been faster; entries never change, so its work counts.
                if index == tree.size() {
                    tree.push(TreeHash::of_leaf(&leaf));
                }
            }
        }
    }

    /// The leaf hashes of one block, as many as there are.
    async fn block(&self, block: u64) -> Result<Vec<TreeHash>, AuditError> {
        let leaves = self.store.read(block * BLOCK_LEAVES, BLOCK_LEAVES as u32).await?;
        Ok(leaves.iter().map(|(_, leaf)| TreeHash::of_leaf(leaf)).collect())
    }

    /// A page of leaves of which there must be at least one, since `from` is below `len`.
    async fn page(&self, from: u64, len: u64) -> Result<Vec<(u64, Vec<u8>)>, AuditError> {
        let limit = u32::try_from(len - from).unwrap_or(u32::MAX).min(PAGE_LEAVES);
        let page = self.store.read(from, limit).await?;
        if page.is_empty() {
            return Err(AuditError::Gap { index: from });
        }
        match (from..).zip(&page).find(|(expected, (index, _))| expected != index) {
            Some((index, _)) => Err(AuditError::Gap { index }),
            None => Ok(page),
        }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A verification on its way through the log.
struct Checking<'a> {
    tree: Tree,
    /// The heads not reached yet, smallest first.
    heads: &'a [SignedHead],
    /// How many entries the heads passed so far stand for.
    vouched: u64,
}

impl Checking<'_> {
    /// Checks the heads whose size is reached.
    fn check_heads(&mut self) -> Result<(), AuditError> {
        while let [head, rest @ ..] = self.heads
            && head.size == self.tree.size()
        {
            if head.root != self.tree.root() {
                return Err(AuditError::Changed { first: self.vouched, size: head.size });
            }
            self.vouched = head.size;
            self.heads = rest;
        }
        Ok(())
    }
}

fn entry_of(index: u64, leaf: &[u8]) -> Result<Entry, AuditError> {
    serde_json::from_slice(leaf).map_err(|_| AuditError::Malformed { index })
}

fn exported((index, leaf): (u64, Vec<u8>)) -> Result<ExportedEntry, AuditError> {
    let malformed = AuditError::Malformed { index };
    let Ok(text) = String::from_utf8(leaf) else {
        return Err(malformed);
    };
    let entry = RawValue::from_string(text).map_err(|_| malformed)?;
    Ok(ExportedEntry { index, entry })
}

#[cfg(test)]
mod tests;
