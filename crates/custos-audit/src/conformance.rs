//! What every [`AuditStore`] must do, as code that tries it.

use custos_core::Timestamp;

use crate::{AuditStore, SignedHead, TreeHash};

/// A guarantee that an implementation does not keep.
#[derive(Debug, thiserror::Error)]
#[error("a guarantee is broken: {guarantee}")]
pub struct Violation {
    guarantee: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Tries the guarantees of [`AuditStore`] on an empty one. It is left with leaves and heads.
pub async fn audit_store(store: &dyn AuditStore) -> Result<(), Violation> {
    numbers_leaves_without_gaps(store).await?;
    reads_pages(store).await?;
    takes_many_at_once(store).await?;
    keeps_heads(store).await
}

async fn numbers_leaves_without_gaps(store: &dyn AuditStore) -> Result<(), Violation> {
    let len = succeed(store.len().await, "an empty store has a length")?;
    ensure(len == 0, "an empty store has no leaves")?;
    let read = succeed(store.read(0, 10).await, "an empty store can be read")?;
    ensure(read.is_empty(), "an empty store has nothing to read")?;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let leaves = vec![b"zero".to_vec(), Vec::new(), every_byte];
    let first = succeed(store.append(leaves).await, "leaves are appended")?;
    ensure(first == 0, "the first leaf has index 0")?;
    let next = succeed(store.append(vec![b"three".to_vec()]).await, "a leaf is appended")?;
    ensure(next == 3, "append returns the index of its first leaf")?;
    let none = succeed(store.append(Vec::new()).await, "nothing is appended")?;
    ensure(none == 4, "appending nothing returns the length")?;
    let same = succeed(store.append(vec![b"three".to_vec()]).await, "a leaf is appended again")?;
    ensure(same == 4, "an equal leaf is a leaf of its own")?;
    let len = succeed(store.len().await, "leaves are counted")?;
    ensure(len == 5, "every leaf is counted")
}

async fn reads_pages(store: &dyn AuditStore) -> Result<(), Violation> {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let all = [b"zero".to_vec(), Vec::new(), every_byte, b"three".to_vec(), b"three".to_vec()];
    let all: Vec<(u64, Vec<u8>)> = (0..).zip(all).collect();
    let read = succeed(store.read(0, 100).await, "all leaves are read")?;
    ensure(read == all, "leaves are kept byte for byte and in order")?;
    let page = succeed(store.read(1, 3).await, "a page is read")?;
    ensure(page == all[1..4], "a page starts and ends where it was asked to")?;
    let last = succeed(store.read(4, 3).await, "the last page is read")?;
    ensure(last == all[4..], "the last page ends with the log")?;
    let none = succeed(store.read(2, 0).await, "an empty page is read")?;
    ensure(none.is_empty(), "a page of no leaves is empty")?;
    for from in [5, 1 << 40, u64::MAX] {
        let beyond = succeed(store.read(from, 10).await, "reading beyond the end succeeds")?;
        ensure(beyond.is_empty(), "there is nothing beyond the end")?;
    }
    Ok(())
}

async fn takes_many_at_once(store: &dyn AuditStore) -> Result<(), Violation> {
    let leaves: Vec<Vec<u8>> = (0..5000_u32).map(|leaf| leaf.to_le_bytes().to_vec()).collect();
    let first = succeed(store.append(leaves.clone()).await, "thousands of leaves are appended")?;
    ensure(first == 5, "append returns the index of its first leaf")?;
    let read = succeed(store.read(5, 6000).await, "thousands of leaves are read")?;
    ensure(read.into_iter().eq((5..).zip(leaves)), "leaves of one call keep their order")
}

async fn keeps_heads(store: &dyn AuditStore) -> Result<(), Violation> {
    let none = succeed(store.heads().await, "an empty store lists its heads")?;
    ensure(none.is_empty(), "an empty store has no heads")?;
    let heads = [head(2, 50), head(5, 20), head(5, 30)];
    for head in [&heads[2], &heads[0], &heads[1], &heads[1]] {
        succeed(store.put_head(head).await, "a head is kept, also when it is there already")?;
    }
    let kept = succeed(store.heads().await, "heads are listed")?;
    ensure(kept == heads, "heads are kept whole, once, by size and then time")
}

fn head(size: u64, seconds: i64) -> SignedHead {
    SignedHead {
        size,
        root: TreeHash([size as u8; 32]),
        at: Timestamp::from_micros(seconds * 1_000_000 + 1),
        key_id: "0123456789abcdef".to_owned(),
        signature: [seconds as u8; 64],
    }
}

fn ensure(holds: bool, guarantee: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { guarantee, source: None }) }
}

/// What a call that must succeed returned.
fn succeed<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, E>,
    guarantee: &'static str,
) -> Result<T, Violation> {
    result.map_err(|error| Violation { guarantee, source: Some(Box::new(error)) })
}
