//! Sealed secrets, and the ledger of those destroyed.

mod epochs;

use async_trait::async_trait;
use custos_core::{EpochId, FileId, KeyClass, StoreError, Timestamp};
use custos_keys::{DestructionCause, EpochRecord, Rewrapped, SealedSecret, SecretStore};

use crate::Store;
use crate::column::{from_column, integrity, parse, to_json};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

/// Added to epochs in rows of secrets: with it all of them take the same number of bytes.
const EPOCH_BASE: i64 = 1 << 40;

#[async_trait]
impl SecretStore for Store {
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        let operation = "inserting secrets";
        let mut transaction = self.writer(Part::Secrets, operation).await?;
        for secret in secrets {
            insert(&mut transaction, secret, operation).await?;
        }
        transaction.commit().await.map_err(failed(operation))
    }

    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError> {
        let rows: Vec<(String, String, i64, Vec<u8>)> = query(
            "SELECT owner, class, epoch, sealed FROM live_secret \
             WHERE owner IN (SELECT value FROM json_each($1))",
        )
        .bind(to_json(owners)?)
        .fetch_all(self.readers())
        .await
        .map_err(failed("fetching secrets"))?;
        rows.into_iter().map(read_secret).collect()
    }

    async fn destroy(
        &self,
        owners: &[FileId],
        cause: &DestructionCause,
        at: Timestamp,
    ) -> Result<Vec<FileId>, StoreError> {
        // What takes the place of what they open is not to be lost when they are gone.
        self.secure().await?;
        let operation = "destroying secrets";
        let list = to_json(owners)?;
        let mut transaction = self.writer(Part::Secrets, operation).await?;
        overwrite(&mut transaction, &list, operation).await?;
        enter_into_ledger(&mut transaction, &list, cause, at, operation).await?;
        transaction.commit().await.map_err(failed(operation))?;
        // Also when all were destroyed before: a crash may have come between that and this.
        self.forget_older_states().await?;
        let gone = self.destroyed(owners).await?;
        Ok(gone.into_iter().map(|(owner, _)| owner).collect())
    }

    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError> {
        let rows: Vec<(String, i64)> = query(
            "SELECT owner, at FROM destroyed_owner \
             WHERE owner IN (SELECT value FROM json_each($1))",
        )
        .bind(to_json(owners)?)
        .fetch_all(self.readers())
        .await
        .map_err(failed("reading the ledger of destroyed secrets"))?;
        rows.into_iter()
            .map(|(owner, at)| Ok((read_owner(&owner)?, Timestamp::from_micros(at))))
            .collect()
    }

    async fn owners(&self) -> Result<Vec<FileId>, StoreError> {
        let rows: Vec<(String,)> = query("SELECT DISTINCT owner FROM live_secret")
            .fetch_all(self.readers())
            .await
            .map_err(failed("listing owners of secrets"))?;
        rows.iter().map(|(owner,)| read_owner(owner)).collect()
    }

    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> =
            query("SELECT epoch, count(*) FROM live_secret GROUP BY epoch ORDER BY epoch")
                .fetch_all(self.readers())
                .await
                .map_err(failed("counting secrets"))?;
        rows.into_iter()
            .map(|(epoch, count)| Ok((read_epoch(epoch)?, from_column(count)?)))
            .collect()
    }

    async fn epoch_page(
        &self,
        epoch: EpochId,
        after: Option<(FileId, KeyClass)>,
        limit: u32,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        let rows = epochs::page(self.readers(), epoch, after, limit).await?;
        rows.into_iter().map(read_secret).collect()
    }

    async fn rewrap(&self, secrets: &[Rewrapped]) -> Result<u64, StoreError> {
        let operation = "rewrapping secrets";
        let mut transaction = self.writer(Part::Secrets, operation).await?;
        let mut replaced = 0;
        for secret in secrets {
            replaced += epochs::rewrap(&mut transaction, secret, operation).await?;
        }
        transaction.commit().await.map_err(failed(operation))?;
        self.forget_older_states().await?;
        Ok(replaced)
    }

    async fn note_epoch(&self, epoch: EpochId, created_at: Timestamp) -> Result<(), StoreError> {
        let operation = "remembering an epoch";
        let mut transaction = self.writer(Part::Secrets, operation).await?;
        epochs::note(&mut transaction, epoch, created_at, operation).await?;
        transaction.commit().await.map_err(failed(operation))
    }

    async fn close_epoch(&self, epoch: EpochId, at: Timestamp) -> Result<u64, StoreError> {
        let operation = "closing an epoch";
        let mut transaction = self.writer(Part::Secrets, operation).await?;
        let live = epochs::live(&mut transaction, epoch, operation).await?;
        if live == 0 {
            epochs::note(&mut transaction, epoch, at, operation).await?;
            epochs::close(&mut transaction, epoch, at, operation).await?;
        }
        transaction.commit().await.map_err(failed(operation))?;
        Ok(live)
    }

    async fn epoch_records(&self) -> Result<Vec<EpochRecord>, StoreError> {
        epochs::records(self.readers()).await
    }
}

async fn insert(
    transaction: &mut Transaction,
    secret: &SealedSecret,
    operation: &'static str,
) -> Result<(), StoreError> {
    let inserted = query(
        "INSERT INTO secret (owner, class, epoch, sealed) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT 1 FROM destroyed_owner WHERE owner = $1) \
         AND NOT EXISTS (SELECT 1 FROM key_epoch WHERE epoch = $5 AND destroyed_at IS NOT NULL)",
    )
    .bind(secret.owner.to_string())
    .bind(secret.class.as_str())
    .bind(epoch_column(secret.epoch))
    .bind(&secret.sealed[..])
    .bind(i64::from(secret.epoch.0))
    .execute(transaction)
    .await
    .map_err(failed(operation))?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::Conflict { operation }) }
}

/// Overwrites live secrets where they lie.
///
/// In SQLite a row of the same length stays in its place. Deleting rows instead would let it move
/// their neighbours between pages, which leaves copies that no later deletion reaches, in spite of
/// `secure_delete`.
async fn overwrite(
    transaction: &mut Transaction,
    owners: &str,
    operation: &'static str,
) -> Result<(), StoreError> {
    query(
        "UPDATE secret SET sealed = zeroblob(length(sealed)) \
         WHERE seq IN (SELECT seq FROM live_secret \
                       WHERE owner IN (SELECT value FROM json_each($1)))",
    )
    .bind(owners)
    .execute(transaction)
    .await
    .map_err(failed(operation))?;
    Ok(())
}

async fn enter_into_ledger(
    transaction: &mut Transaction,
    owners: &str,
    cause: &DestructionCause,
    at: Timestamp,
    operation: &'static str,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO destroyed_owner (owner, at, cause, request) \
         SELECT DISTINCT owner, $2, $3, $4 FROM live_secret \
         WHERE owner IN (SELECT value FROM json_each($1))",
    )
    .bind(owners)
    .bind(at.micros())
    .bind(cause.as_str())
    .bind(cause.request().map(|request| request.to_string()))
    .execute(transaction)
    .await
    .map_err(failed(operation))?;
    Ok(())
}

fn read_secret(
    (owner, class, epoch, sealed): (String, String, i64, Vec<u8>),
) -> Result<SealedSecret, StoreError> {
    let class = KeyClass::parse(&class).ok_or_else(|| integrity("a secret of no known class"))?;
    Ok(SealedSecret { owner: read_owner(&owner)?, class, epoch: read_epoch(epoch)?, sealed })
}

fn read_owner(text: &str) -> Result<FileId, StoreError> {
    parse(text, "the owner of a secret")
}

fn epoch_column(epoch: EpochId) -> i64 {
    EPOCH_BASE + i64::from(epoch.0)
}

fn read_epoch(number: i64) -> Result<EpochId, StoreError> {
    u32::try_from(number - EPOCH_BASE).map(EpochId).map_err(|_| integrity("the epoch of a secret"))
}

#[cfg(test)]
mod tests;
