//! Where leaves and heads are kept: the port to the control store.

use std::fmt::Debug;

use async_trait::async_trait;
use custos_core::StoreError;

use crate::SignedHead;

/// Keeps the leaves of the log and its signed heads, for several processes at once.
///
/// Guarantees, checked by [`crate::conformance::audit_store`]:
///
/// - `append` gives the leaves consecutive indices in their order, starting where the log ends,
///   and returns the first (for no leaves the length). It is one step: leaves of two calls never
///   mix, in whichever process, and either all are there or none. They are durable when it
///   returns.
/// - Indices start at 0 and have no gaps; leaves are kept byte for byte and never change.
/// - `read` returns the leaves from `from` on in order, at most `limit`; fewer only at the end.
/// - `len` counts at least the leaves of every `append` that returned before the call.
/// - `heads` returns every head put, by size and then time. Putting an equal head again changes
///   nothing.
#[expect(clippy::len_without_is_empty, reason = "a log is asked how long it is, not whether")]
#[async_trait]
pub trait AuditStore: Debug + Send + Sync {
    /// Adds leaves at the end; returns the index of the first.
    async fn append(&self, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError>;

    /// Leaves with their indices, in order.
    async fn read(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// How many leaves there are.
    async fn len(&self) -> Result<u64, StoreError>;

    /// Keeps a signed head; durable when it returns.
    async fn put_head(&self, head: &SignedHead) -> Result<(), StoreError>;

    /// All heads, smallest first.
    async fn heads(&self) -> Result<Vec<SignedHead>, StoreError>;
}
