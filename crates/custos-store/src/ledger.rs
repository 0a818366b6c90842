//! What ingest keeps: subjects, batches, contracts; and who must not come back.

use std::collections::HashMap;

use async_trait::async_trait;
use custos_consent::AgeRecord;
use custos_core::{Rid, SourceId, StoreError, Timestamp};
use custos_ingest::{
    Batch, BatchState, Lease, Ledger, RegisteredContract, Suppressed, Suppression,
};

use crate::Store;
use crate::column::{from_json, integrity, parse, to_json};
use crate::epoch::{self, EpochName};
use crate::error::failed;
use crate::population::read_tombstones;
use crate::statement::{Transaction, query};
use crate::store::Part;

#[async_trait]
impl Ledger for Store {
    async fn lease_source(&self, source: &SourceId) -> Result<Box<dyn Lease>, StoreError> {
        Ok(Box::new(self.lease(source.as_str()).await?))
    }

    async fn lease_maintenance(&self) -> Result<Box<dyn Lease>, StoreError> {
        Ok(Box::new(self.lease("_maintenance").await?))
    }

    async fn lease_requests(&self) -> Result<Box<dyn Lease>, StoreError> {
        Ok(Box::new(self.lease("_requests").await?))
    }

    async fn lease_subjects(&self, count: u32) -> Result<Rid, StoreError> {
        let operation = "leasing subjects";
        let mut transaction = self.writer(Part::Subjects, operation).await?;
        let first: Option<(i64,)> = query(
            "UPDATE subject_counter SET next = next + $1 WHERE next + $1 - 1 <= $2 \
             RETURNING next - $1",
        )
        .bind(count)
        .bind(u32::MAX)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(operation))?;
        transaction.commit().await.map_err(failed(operation))?;
        match first {
            Some((first,)) => Rid::from_column(first).ok_or_else(|| integrity("the next subject")),
            None => Err(StoreError::Unavailable {
                operation: "leasing subjects, of which this cell has not enough left",
                source: "subjects are numbered below 2^32".into(),
            }),
        }
    }

    async fn put_ages(&self, ages: &[AgeRecord]) -> Result<(), StoreError> {
        self.set_ages(ages).await.map(|_changed| ())
    }

    async fn put_batch(&self, batch: &Batch) -> Result<(), StoreError> {
        let statement = query(
            "INSERT INTO batch (id, source, load, state, opened_at, body) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id) DO UPDATE SET source = $2, load = $3, state = $4, \
             opened_at = $5, body = $6",
        )
        .bind(batch.id.to_string())
        .bind(batch.source.as_str())
        .bind(&batch.load[..])
        .bind(state_name(batch.state))
        .bind(batch.opened_at.micros())
        .bind(to_json(batch)?);
        let stored = self.execute_leased(batch.source.as_str(), statement).await;
        stored.map(|_| ()).map_err(failed("storing a batch"))
    }

    async fn unfinished(&self, source: Option<&SourceId>) -> Result<Vec<Batch>, StoreError> {
        let bodies: Vec<(String,)> = query(
            "SELECT body FROM batch WHERE state IN ('journaled', 'planned') \
             AND ($1 IS NULL OR source = $1) ORDER BY opened_at, seq",
        )
        .bind(source.map(SourceId::as_str))
        .fetch_all(self.readers())
        .await
        .map_err(failed("listing unfinished batches"))?;
        bodies.iter().map(|(body,)| read_batch(body)).collect()
    }

    async fn folded_batches(&self, source: &SourceId) -> Result<Vec<Batch>, StoreError> {
        let bodies: Vec<(String,)> = query(
            "SELECT body FROM batch WHERE source = $1 AND state = 'folded' ORDER BY opened_at, seq",
        )
        .bind(source.as_str())
        .fetch_all(self.readers())
        .await
        .map_err(failed("listing loads"))?;
        bodies.iter().map(|(body,)| read_batch(body)).collect()
    }

    async fn folded(
        &self,
        source: &SourceId,
        load: &[u8; 32],
    ) -> Result<Option<Batch>, StoreError> {
        let body: Option<(String,)> = query(
            "SELECT body FROM batch WHERE source = $1 AND load = $2 AND state = 'folded' \
             ORDER BY opened_at DESC, seq DESC LIMIT 1",
        )
        .bind(source.as_str())
        .bind(&load[..])
        .fetch_optional(self.readers())
        .await
        .map_err(failed("looking for a load"))?;
        body.map(|(body,)| read_batch(&body)).transpose()
    }

    async fn contracts(&self) -> Result<Vec<RegisteredContract>, StoreError> {
        let rows: Vec<(String, String)> =
            query("SELECT source, text FROM contract ORDER BY source")
                .fetch_all(self.readers())
                .await
                .map_err(failed("reading contracts"))?;
        rows.into_iter()
            .map(|(source, text)| {
                let source = parse(&source, "the source of a contract")?;
                Ok(RegisteredContract { source, text })
            })
            .collect()
    }

    async fn put_contract(&self, contract: &RegisteredContract) -> Result<(), StoreError> {
        query(
            "INSERT INTO contract (source, text) VALUES ($1, $2) \
             ON CONFLICT (source) DO UPDATE SET text = $2",
        )
        .bind(contract.source.as_str())
        .bind(contract.text.as_str())
        .execute(self.writers())
        .await
        .map_err(failed("registering a contract"))?;
        Ok(())
    }

    async fn suppression(&self) -> Result<Suppression, StoreError> {
        let mut reader = self.reader("reading suppressions").await?;
        Ok(Suppression {
            epoch: epoch::value(&mut reader, EpochName::Suppression).await?,
            identifiers: read_suppressed(&mut reader).await?,
            tombstones: read_tombstones(&mut reader).await?,
        })
    }
}

const fn state_name(state: BatchState) -> &'static str {
    match state {
        BatchState::Journaled => "journaled",
        BatchState::Planned => "planned",
        BatchState::Folded => "folded",
        BatchState::Abandoned => "abandoned",
    }
}

fn read_batch(body: &str) -> Result<Batch, StoreError> {
    from_json(body, "a batch")
}

async fn read_suppressed(
    transaction: &mut Transaction,
) -> Result<HashMap<[u8; 16], Suppressed>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, bool)> = query("SELECT hash, until, shared FROM suppression")
        .fetch_all(transaction)
        .await
        .map_err(failed("reading suppressions"))?;
    rows.into_iter()
        .map(|(hash, until, shared)| {
            let hash = hash.try_into().map_err(|_| integrity("the hash of a suppression"))?;
            Ok((hash, Suppressed { until: Timestamp::from_micros(until), shared }))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
