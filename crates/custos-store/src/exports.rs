//! Rows that left the platform.

use async_trait::async_trait;
use custos_core::{FileId, StoreError, Timestamp};
use custos_erasure::OtherOwners;
use custos_ingest::Lease;
use custos_keys::SealedRecord;
use custos_query::{ExportLease, ExportLedger, StoredExport};

use crate::Store;
use crate::column::{from_json, parse, to_json};
use crate::error::failed;
use crate::statement::query;

/// The lease of whoever makes secrets of exports.
const EXPORTS: &str = "_exports";

#[async_trait]
impl ExportLedger for Store {
    async fn lease_exports(&self) -> Result<Box<dyn ExportLease>, StoreError> {
        Ok(Box::new(self.lease(EXPORTS).await?))
    }

    async fn begin_export(&self, export: &StoredExport) -> Result<(), StoreError> {
        query(
            "INSERT INTO export (id, begun_at, expires_at, complete, revoked_at, sealed) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(export.id.to_string())
        .bind(export.begun_at.micros())
        .bind(export.expires_at.micros())
        .bind(export.complete)
        .bind(export.revoked_at.map(Timestamp::micros))
        .bind(to_json(&export.sealed)?)
        .execute(self.writers())
        .await
        .map_err(failed("beginning an export"))?;
        Ok(())
    }

    async fn complete_export(&self, id: FileId, sealed: &SealedRecord) -> Result<(), StoreError> {
        let operation = "completing an export";
        let updated = query(
            "UPDATE export SET complete = TRUE, sealed = $2 \
             WHERE id = $1 AND NOT complete AND revoked_at IS NULL",
        )
        .bind(id.to_string())
        .bind(to_json(sealed)?)
        .execute(self.writers())
        .await
        .map_err(failed(operation))?;
        if updated == 1 { Ok(()) } else { Err(StoreError::Conflict { operation }) }
    }

    async fn revoke_export(&self, id: FileId, at: Timestamp) -> Result<(), StoreError> {
        query("UPDATE export SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.to_string())
            .bind(at.micros())
            .execute(self.writers())
            .await
            .map_err(failed("revoking an export"))?;
        Ok(())
    }

    async fn export(&self, id: FileId) -> Result<Option<StoredExport>, StoreError> {
        let row: Option<ExportRow> = query(
            "SELECT id, begun_at, expires_at, complete, revoked_at, sealed FROM export \
             WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("reading an export"))?;
        row.map(read_export).transpose()
    }

    async fn exports(&self) -> Result<Vec<StoredExport>, StoreError> {
        let rows: Vec<ExportRow> = query(
            "SELECT id, begun_at, expires_at, complete, revoked_at, sealed FROM export \
             ORDER BY seq DESC",
        )
        .fetch_all(self.readers())
        .await
        .map_err(failed("listing exports"))?;
        rows.into_iter().map(read_export).collect()
    }
}

#[async_trait]
impl OtherOwners for Store {
    async fn hold_others(&self) -> Result<Box<dyn Lease>, StoreError> {
        Ok(Box::new(self.lease(EXPORTS).await?))
    }

    async fn others(&self, now: Timestamp) -> Result<Vec<FileId>, StoreError> {
        let exports = self.exports().await?;
        let in_use =
            |export: &&StoredExport| export.revoked_at.is_none() && now < export.expires_at;
        let mut owners: Vec<FileId> =
            exports.iter().filter(in_use).map(|export| export.id).collect();
        owners.extend(exports.iter().map(|export| export.sealed.owner));
        Ok(owners)
    }

    async fn records(&self) -> Result<Vec<FileId>, StoreError> {
        Ok(self.exports().await?.iter().map(|export| export.sealed.owner).collect())
    }

    async fn note_destroyed(&self, owners: &[FileId], at: Timestamp) -> Result<(), StoreError> {
        for export in self.exports().await? {
            if owners.contains(&export.id) {
                self.revoke_export(export.id, at).await?;
            }
        }
        Ok(())
    }
}

/// Id, when it began and expires, whether it is complete, when it was revoked, and what is sealed.
type ExportRow = (String, i64, i64, bool, Option<i64>, String);

fn read_export(row: ExportRow) -> Result<StoredExport, StoreError> {
    let (id, begun_at, expires_at, complete, revoked_at, sealed) = row;
    Ok(StoredExport {
        id: parse(&id, "the id of an export")?,
        begun_at: Timestamp::from_micros(begun_at),
        expires_at: Timestamp::from_micros(expires_at),
        complete,
        revoked_at: revoked_at.map(Timestamp::from_micros),
        sealed: from_json(&sealed, "the record of an export")?,
    })
}

#[cfg(test)]
mod tests;
