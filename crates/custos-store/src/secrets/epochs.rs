//! Moving secrets from epoch to epoch, and what is known of epochs.

use custos_core::{EpochId, FileId, KeyClass, StoreError, Timestamp};
use custos_keys::{EpochRecord, Rewrapped};

use super::epoch_column;
use crate::column::{from_column, integrity};
use crate::error::failed;
use crate::statement::{Target, Transaction, query};

/// Owner, class, epoch and sealed bytes, as rows hold them.
type SecretRow = (String, String, i64, Vec<u8>);

pub(super) async fn page(
    readers: Target<'_>,
    epoch: EpochId,
    after: Option<(FileId, KeyClass)>,
    limit: u32,
) -> Result<Vec<SecretRow>, StoreError> {
    // Every owner and every class is greater than no text.
    let (owner, class) = match after {
        Some((owner, class)) => (owner.to_string(), class.as_str()),
        None => (String::new(), ""),
    };
    query(
        "SELECT owner, class, epoch, sealed FROM live_secret \
         WHERE epoch = $1 AND (owner, class) > ($2, $3) ORDER BY owner, class LIMIT $4",
    )
    .bind(epoch_column(epoch))
    .bind(owner)
    .bind(class)
    .bind(limit)
    .fetch_all(readers)
    .await
    .map_err(failed("reading secrets of an epoch"))
}

/// Puts a secret in the place of one that is still as it was; returns whether it was, as a count.
///
/// The row keeps its length, so it stays where it is and nothing else moves.
pub(super) async fn rewrap(
    transaction: &mut Transaction,
    secret: &Rewrapped,
    operation: &'static str,
) -> Result<u64, StoreError> {
    let Rewrapped { old, new } = secret;
    if (old.owner, old.class, old.sealed.len()) != (new.owner, new.class, new.sealed.len()) {
        return Err(integrity("a rewrapped secret is not of the shape of the old one"));
    }
    if is_closed(transaction, new.epoch, operation).await? {
        return Err(StoreError::Conflict { operation });
    }
    let overwritten = query(
        "UPDATE secret SET sealed = zeroblob(length(sealed)) \
         WHERE seq = (SELECT seq FROM live_secret \
                      WHERE owner = $1 AND class = $2 AND epoch = $3 AND sealed = $4)",
    )
    .bind(old.owner.to_string())
    .bind(old.class.as_str())
    .bind(epoch_column(old.epoch))
    .bind(&old.sealed[..])
    .execute(&mut *transaction)
    .await
    .map_err(failed(operation))?;
    if overwritten == 0 {
        return Ok(0);
    }
    query("UPDATE secret SET sealed = $3, epoch = $4 WHERE owner = $1 AND class = $2")
        .bind(new.owner.to_string())
        .bind(new.class.as_str())
        .bind(&new.sealed[..])
        .bind(epoch_column(new.epoch))
        .execute(transaction)
        .await
        .map_err(failed(operation))?;
    Ok(1)
}

async fn is_closed(
    transaction: &mut Transaction,
    epoch: EpochId,
    operation: &'static str,
) -> Result<bool, StoreError> {
    let (closed,): (i64,) =
        query("SELECT count(*) FROM key_epoch WHERE epoch = $1 AND destroyed_at IS NOT NULL")
            .bind(i64::from(epoch.0))
            .fetch_one(transaction)
            .await
            .map_err(failed(operation))?;
    Ok(closed > 0)
}

pub(super) async fn note(
    transaction: &mut Transaction,
    epoch: EpochId,
    created_at: Timestamp,
    operation: &'static str,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO key_epoch (epoch, created_at) VALUES ($1, $2) ON CONFLICT (epoch) DO NOTHING",
    )
    .bind(i64::from(epoch.0))
    .bind(created_at.micros())
    .execute(transaction)
    .await
    .map_err(failed(operation))?;
    Ok(())
}

pub(super) async fn live(
    transaction: &mut Transaction,
    epoch: EpochId,
    operation: &'static str,
) -> Result<u64, StoreError> {
    let (live,): (i64,) = query("SELECT count(*) FROM live_secret WHERE epoch = $1")
        .bind(epoch_column(epoch))
        .fetch_one(transaction)
        .await
        .map_err(failed(operation))?;
    from_column(live)
}

pub(super) async fn close(
    transaction: &mut Transaction,
    epoch: EpochId,
    at: Timestamp,
    operation: &'static str,
) -> Result<(), StoreError> {
    query("UPDATE key_epoch SET destroyed_at = $2 WHERE epoch = $1 AND destroyed_at IS NULL")
        .bind(i64::from(epoch.0))
        .bind(at.micros())
        .execute(transaction)
        .await
        .map_err(failed(operation))?;
    Ok(())
}

pub(super) async fn records(readers: Target<'_>) -> Result<Vec<EpochRecord>, StoreError> {
    let rows: Vec<(i64, i64, Option<i64>)> =
        query("SELECT epoch, created_at, destroyed_at FROM key_epoch ORDER BY epoch")
            .fetch_all(readers)
            .await
            .map_err(failed("reading what is known of epochs"))?;
    rows.into_iter()
        .map(|(epoch, created_at, destroyed_at)| {
            let epoch = u32::try_from(epoch).map_err(|_| integrity("an epoch"))?;
            Ok(EpochRecord {
                epoch: EpochId(epoch),
                created_at: Timestamp::from_micros(created_at),
                destroyed_at: destroyed_at.map(Timestamp::from_micros),
            })
        })
        .collect()
}
