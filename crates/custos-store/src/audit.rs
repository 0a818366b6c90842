//! The leaves and heads of the audit log.

use async_trait::async_trait;
use custos_audit::{AuditStore, SignedHead};
use custos_core::StoreError;

use crate::Store;
use crate::column::{from_column, from_json, to_column, to_json};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

#[async_trait]
impl AuditStore for Store {
    async fn append(&self, leaves: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        let operation = "appending to the audit log";
        let mut transaction = self.writer(Part::Audit, operation).await?;
        let first = append_leaves(&mut transaction, leaves, operation).await?;
        transaction.commit().await.map_err(failed(operation))?;
        from_column(first)
    }

    async fn read(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        // Beyond what the store can hold there is nothing.
        let Ok(from) = i64::try_from(from) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(i64, Vec<u8>)> =
            query("SELECT seq, leaf FROM audit_leaf WHERE seq >= $1 ORDER BY seq LIMIT $2")
                .bind(from)
                .bind(limit)
                .fetch_all(self.readers())
                .await
                .map_err(failed("reading the audit log"))?;
        rows.into_iter().map(|(index, leaf)| Ok((from_column(index)?, leaf))).collect()
    }

    async fn len(&self) -> Result<u64, StoreError> {
        let mut reader = self.reader("reading the audit log").await?;
        from_column(length(&mut reader).await?)
    }

    async fn put_head(&self, head: &SignedHead) -> Result<(), StoreError> {
        query(
            "INSERT INTO audit_head (size, at, body) VALUES ($1, $2, $3) \
             ON CONFLICT (body) DO NOTHING",
        )
        .bind(to_column(head.size)?)
        .bind(head.at.micros())
        .bind(to_json(head)?)
        .execute(self.writers())
        .await
        .map_err(failed("keeping a head of the audit log"))?;
        Ok(())
    }

    async fn heads(&self) -> Result<Vec<SignedHead>, StoreError> {
        let bodies: Vec<(String,)> = query("SELECT body FROM audit_head ORDER BY size, at, seq")
            .fetch_all(self.readers())
            .await
            .map_err(failed("reading heads of the audit log"))?;
        bodies.iter().map(|(body,)| from_json(body, "a head of the audit log")).collect()
    }
}

/// Adds leaves at the end, in a transaction of [`Part::Audit`]; returns the index of the first.
pub(crate) async fn append_leaves(
    transaction: &mut Transaction,
    leaves: Vec<Vec<u8>>,
    operation: &'static str,
) -> Result<i64, StoreError> {
    let first = length(transaction).await?;
    for (index, leaf) in (first..).zip(leaves) {
        query("INSERT INTO audit_leaf (seq, leaf) VALUES ($1, $2)")
            .bind(index)
            .bind(leaf)
            .execute(&mut *transaction)
            .await
            .map_err(failed(operation))?;
    }
    Ok(first)
}

/// The index after the last, which is the count, since there are no gaps.
async fn length(transaction: &mut Transaction) -> Result<i64, StoreError> {
    let (length,): (i64,) = query("SELECT coalesce(max(seq) + 1, 0) FROM audit_leaf")
        .fetch_one(transaction)
        .await
        .map_err(failed("reading the audit log"))?;
    Ok(length)
}

#[cfg(test)]
mod tests;
