//! Sealed secrets, and the ledger of those destroyed.

use async_trait::async_trait;
use custos_core::{EpochId, FileId, KeyClass, StoreError, Timestamp};
use custos_keys::{DestructionCause, SealedSecret, SecretStore};
use sqlx::SqliteConnection;

use crate::Store;
use crate::column::{from_column, integrity, parse, to_json};
use crate::error::failed;

#[async_trait]
impl SecretStore for Store {
    async fn insert(&self, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        let operation = "inserting secrets";
        let mut transaction = self.writer(operation).await?;
        for secret in secrets {
            insert(&mut transaction, secret, operation).await?;
        }
        transaction.commit().await.map_err(failed(operation))
    }

    async fn fetch(&self, owners: &[FileId]) -> Result<Vec<SealedSecret>, StoreError> {
        let rows: Vec<(String, String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT owner, class, epoch, sealed FROM live_secret \
             WHERE owner IN (SELECT value FROM json_each(?1))",
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
        let operation = "destroying secrets";
        let list = to_json(owners)?;
        let mut transaction = self.writer(operation).await?;
        overwrite(&mut transaction, &list, operation).await?;
        enter_into_ledger(&mut transaction, &list, cause, at, operation).await?;
        transaction.commit().await.map_err(failed(operation))?;
        // Also when all were destroyed before: a crash may have come between that and this.
        self.forget_older_states().await?;
        let gone = self.destroyed(owners).await?;
        Ok(gone.into_iter().map(|(owner, _)| owner).collect())
    }

    async fn destroyed(&self, owners: &[FileId]) -> Result<Vec<(FileId, Timestamp)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT owner, at FROM destroyed_owner \
             WHERE owner IN (SELECT value FROM json_each(?1))",
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
        let rows: Vec<String> = sqlx::query_scalar("SELECT DISTINCT owner FROM live_secret")
            .fetch_all(self.readers())
            .await
            .map_err(failed("listing owners of secrets"))?;
        rows.iter().map(|owner| read_owner(owner)).collect()
    }

    async fn counts(&self) -> Result<Vec<(EpochId, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("SELECT epoch, count(*) FROM live_secret GROUP BY epoch ORDER BY epoch")
                .fetch_all(self.readers())
                .await
                .map_err(failed("counting secrets"))?;
        rows.into_iter()
            .map(|(epoch, count)| Ok((read_epoch(epoch)?, from_column(count)?)))
            .collect()
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    secret: &SealedSecret,
    operation: &'static str,
) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO secret (owner, class, epoch, sealed) SELECT ?1, ?2, ?3, ?4 \
         WHERE NOT EXISTS (SELECT 1 FROM destroyed_owner WHERE owner = ?1)",
    )
    .bind(secret.owner.to_string())
    .bind(secret.class.as_str())
    .bind(i64::from(secret.epoch.0))
    .bind(&secret.sealed)
    .execute(connection)
    .await
    .map_err(failed(operation))?;
    if inserted.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict { operation }) }
}

/// Overwrites live secrets where they lie.
///
/// A row of the same length stays in its place. Deleting rows instead would let SQLite move their
/// neighbours between pages, which leaves copies that no later deletion reaches, in spite of
/// `secure_delete`.
async fn overwrite(
    connection: &mut SqliteConnection,
    owners: &str,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE secret SET sealed = zeroblob(length(sealed)) \
         WHERE seq IN (SELECT seq FROM live_secret \
                       WHERE owner IN (SELECT value FROM json_each(?1)))",
    )
    .bind(owners)
    .execute(connection)
    .await
    .map_err(failed(operation))?;
    Ok(())
}

async fn enter_into_ledger(
    connection: &mut SqliteConnection,
    owners: &str,
    cause: &DestructionCause,
    at: Timestamp,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO destroyed_owner (owner, at, cause, request) \
         SELECT DISTINCT owner, ?2, ?3, ?4 FROM live_secret \
         WHERE owner IN (SELECT value FROM json_each(?1))",
    )
    .bind(owners)
    .bind(at.micros())
    .bind(cause.as_str())
    .bind(cause.request().map(|request| request.to_string()))
    .execute(connection)
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

fn read_epoch(number: i64) -> Result<EpochId, StoreError> {
    u32::try_from(number).map(EpochId).map_err(|_| integrity("the epoch of a secret"))
}

#[cfg(test)]
mod tests;
