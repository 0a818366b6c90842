//! Which policies are in force, and since when.

use std::collections::BTreeMap;

use custos_audit::Entry;
use custos_core::{StoreError, Timestamp};

use crate::Store;
use crate::audit::append_leaves;
use crate::column::{from_column, from_json, integrity, to_column, to_json};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

/// Policies that were put into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEpoch {
    /// Counts from 1.
    pub number: u64,
    /// The version of the texts, in hex.
    pub version: String,
    /// When.
    pub at: Timestamp,
    /// The texts by file name.
    pub files: BTreeMap<String, String>,
}

impl Store {
    /// The policies that were put into force last, if any were.
    pub async fn policy_epoch(&self) -> Result<Option<PolicyEpoch>, StoreError> {
        let row: Option<(i64, String, i64, String)> = query(
            "SELECT number, version, at, files FROM policy_epoch ORDER BY number DESC LIMIT 1",
        )
        .fetch_optional(self.readers())
        .await
        .map_err(failed("reading which policies are in force"))?;
        let read = |(number, version, at, files): (i64, String, i64, String)| {
            Ok(PolicyEpoch {
                number: from_column(number)?,
                version,
                at: Timestamp::from_micros(at),
                files: from_json(&files, "the policies in force")?,
            })
        };
        row.map(read).transpose()
    }

    /// Puts policies into force and says so in the audit log, both or neither, unless the epoch
    /// before theirs is not the last one; returns whether it did.
    pub async fn put_policy_epoch(
        &self,
        epoch: &PolicyEpoch,
        entry: &Entry,
    ) -> Result<bool, StoreError> {
        let operation = "putting policies into force";
        let mut transaction = self.writer(Part::Audit, operation).await?;
        if last(&mut transaction).await? + 1 != epoch.number {
            return Ok(false);
        }
        let leaf = entry.to_leaf().map_err(|_| integrity("an entry cannot be encoded"))?;
        append_leaves(&mut transaction, vec![leaf], operation).await?;
        query("INSERT INTO policy_epoch (number, version, at, files) VALUES ($1, $2, $3, $4)")
            .bind(to_column(epoch.number)?)
            .bind(epoch.version.as_str())
            .bind(epoch.at.micros())
            .bind(to_json(&epoch.files)?)
            .execute(&mut transaction)
            .await
            .map_err(failed(operation))?;
        transaction.commit().await.map_err(failed(operation))?;
        Ok(true)
    }
}

async fn last(transaction: &mut Transaction) -> Result<u64, StoreError> {
    let (last,): (i64,) = query("SELECT coalesce(max(number), 0) FROM policy_epoch")
        .fetch_one(transaction)
        .await
        .map_err(failed("reading which policies are in force"))?;
    from_column(last)
}

#[cfg(test)]
mod tests;
