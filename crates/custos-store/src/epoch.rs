//! Counters that tell readers that something changed.

use custos_core::StoreError;

use crate::column::from_column;
use crate::error::failed;
use crate::statement::{Transaction, query};

#[derive(Debug, Clone, Copy)]
pub(crate) enum EpochName {
    Consent,
    Suppression,
    Ages,
}

impl EpochName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Suppression => "suppression",
            Self::Ages => "ages",
        }
    }
}

/// Raises a counter; belongs into the transaction of the change.
pub(crate) async fn raise(
    transaction: &mut Transaction,
    name: EpochName,
) -> Result<(), StoreError> {
    query("UPDATE epoch SET value = value + 1 WHERE name = $1")
        .bind(name.as_str())
        .execute(transaction)
        .await
        .map_err(failed("raising an epoch"))?;
    Ok(())
}

pub(crate) async fn value(
    transaction: &mut Transaction,
    name: EpochName,
) -> Result<u64, StoreError> {
    let (value,): (i64,) = query("SELECT value FROM epoch WHERE name = $1")
        .bind(name.as_str())
        .fetch_one(transaction)
        .await
        .map_err(failed("reading an epoch"))?;
    from_column(value)
}
