//! Requests of people about their data, and what they bar.

use async_trait::async_trait;
use custos_core::{RequestId, Rid, StoreError};
use custos_erasure::{RequestStore, StoredRequest, SuppressionEntry};

use crate::Store;
use crate::column::{from_json, to_column, to_json};
use crate::epoch::{self, EpochName};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

#[async_trait]
impl RequestStore for Store {
    async fn open(&self, request: &StoredRequest, subjects: &[Rid]) -> Result<(), StoreError> {
        let operation = "opening a request";
        let mut transaction = self.writer(Part::Suppression, operation).await?;
        query(
            "INSERT INTO request (id, state, revision, received_at, body) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(request.id.to_string())
        .bind(request.state.as_str())
        .bind(to_column(request.revision)?)
        .bind(request.received_at.micros())
        .bind(to_json(request)?)
        .execute(&mut transaction)
        .await
        .map_err(failed(operation))?;
        bury(&mut transaction, request.id, subjects, operation).await?;
        transaction.commit().await.map_err(failed(operation))
    }

    async fn hide(&self, request: RequestId, subjects: &[Rid]) -> Result<(), StoreError> {
        let operation = "hiding subjects";
        let mut transaction = self.writer(Part::Suppression, operation).await?;
        bury(&mut transaction, request, subjects, operation).await?;
        transaction.commit().await.map_err(failed(operation))
    }

    async fn update(&self, request: &StoredRequest) -> Result<(), StoreError> {
        let operation = "updating a request";
        let updated = query(
            "UPDATE request SET state = $2, revision = $3, received_at = $4, body = $5 \
             WHERE id = $1 AND revision = $3 - 1",
        )
        .bind(request.id.to_string())
        .bind(request.state.as_str())
        .bind(to_column(request.revision)?)
        .bind(request.received_at.micros())
        .bind(to_json(request)?)
        .execute(self.writers())
        .await
        .map_err(failed(operation))?;
        if updated == 1 { Ok(()) } else { Err(StoreError::Conflict { operation }) }
    }

    async fn load(&self, id: RequestId) -> Result<Option<StoredRequest>, StoreError> {
        let body: Option<(String,)> = query("SELECT body FROM request WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.readers())
            .await
            .map_err(failed("reading a request"))?;
        body.map(|(body,)| read_request(&body)).transpose()
    }

    async fn list(&self) -> Result<Vec<StoredRequest>, StoreError> {
        let bodies: Vec<(String,)> =
            query("SELECT body FROM request ORDER BY received_at DESC, seq DESC")
                .fetch_all(self.readers())
                .await
                .map_err(failed("listing requests"))?;
        bodies.iter().map(|(body,)| read_request(body)).collect()
    }

    async fn suppress(
        &self,
        request: RequestId,
        entries: &[SuppressionEntry],
    ) -> Result<(), StoreError> {
        let operation = "barring identifiers";
        let mut transaction = self.writer(Part::Suppression, operation).await?;
        let mut changed = 0;
        for entry in entries {
            changed += bar(&mut transaction, request, entry, operation).await?;
        }
        if changed > 0 {
            epoch::raise(&mut transaction, EpochName::Suppression).await?;
        }
        transaction.commit().await.map_err(failed(operation))
    }

    async fn forget_consents(&self, subjects: &[Rid]) -> Result<(), StoreError> {
        let operation = "forgetting consents";
        let mut transaction = self.writer(Part::Consents, operation).await?;
        let deleted = query(
            "DELETE FROM consent_event \
             WHERE rid IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
        )
        .bind(to_json(subjects)?)
        .execute(&mut transaction)
        .await
        .map_err(failed(operation))?;
        let ages = query(
            "DELETE FROM subject_age \
             WHERE rid IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
        )
        .bind(to_json(subjects)?)
        .execute(&mut transaction)
        .await
        .map_err(failed(operation))?;
        if ages > 0 {
            epoch::raise(&mut transaction, EpochName::Ages).await?;
        }
        if deleted > 0 {
            // Whoever reads no more than what was added would not see that something is gone.
            epoch::raise(&mut transaction, EpochName::Suppression).await?;
            epoch::raise(&mut transaction, EpochName::Consent).await?;
        }
        transaction.commit().await.map_err(failed(operation))?;
        // Also when nothing was left: a crash may have come between that and this.
        self.forget_older_states().await
    }
}

fn read_request(body: &str) -> Result<StoredRequest, StoreError> {
    from_json(body, "a request")
}

/// Raises the epoch and tombstones subjects under it. Rows about nobody have no tombstone.
pub(crate) async fn bury(
    transaction: &mut Transaction,
    request: RequestId,
    subjects: &[Rid],
    operation: &'static str,
) -> Result<(), StoreError> {
    epoch::raise(transaction, EpochName::Suppression).await?;
    let epoch = epoch::value(transaction, EpochName::Suppression).await?;
    query(
        "INSERT INTO tombstone (rid, request, epoch) \
         SELECT CAST(value AS BIGINT), $2, $3 FROM json_each($1) \
         WHERE CAST(value AS BIGINT) > 0 \
         ON CONFLICT (rid) DO NOTHING",
    )
    .bind(to_json(subjects)?)
    .bind(request.to_string())
    .bind(to_column(epoch)?)
    .execute(transaction)
    .await
    .map_err(failed(operation))?;
    Ok(())
}

/// Bars an identifier, at least as widely as before; returns how many rows that changed.
async fn bar(
    transaction: &mut Transaction,
    request: RequestId,
    entry: &SuppressionEntry,
    operation: &'static str,
) -> Result<u64, StoreError> {
    query(
        "INSERT INTO suppression (hash, until, shared, request) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (hash) DO UPDATE SET \
             until = CASE WHEN suppression.until < $2 THEN $2 ELSE suppression.until END, \
             shared = suppression.shared AND $3, request = $4 \
         WHERE suppression.until < $2 OR (suppression.shared AND NOT $3)",
    )
    .bind(&entry.hash[..])
    .bind(entry.suppressed.until.micros())
    .bind(entry.suppressed.shared)
    .bind(request.to_string())
    .execute(transaction)
    .await
    .map_err(failed(operation))
}

#[cfg(test)]
pub(crate) mod tests;
