//! What queries ask at every execution.

use std::sync::Arc;

use async_trait::async_trait;
use custos_consent::{AgeRecord, ConsentBook};
use custos_core::{Rid, StoreError};
use custos_query::{Consents, Epochs, KnownOf, Population};
use roaring::RoaringBitmap;

use crate::Store;
use crate::column::integrity;
use crate::epoch::{self, EpochName};
use crate::error::failed;
use crate::statement::{Transaction, query};

#[async_trait]
impl Population for Store {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        let mut reader = self.reader("reading epochs").await?;
        Ok(Epochs {
            consent: epoch::value(&mut reader, EpochName::Consent).await?,
            suppression: epoch::value(&mut reader, EpochName::Suppression).await?,
            ages: epoch::value(&mut reader, EpochName::Ages).await?,
        })
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        Ok(Arc::unwrap_or_clone(self.read_consents(Consents::default()).await?.book))
    }

    async fn consents_beyond(&self, known: Option<&Consents>) -> Result<Consents, StoreError> {
        self.read_consents(known.cloned().unwrap_or_default()).await
    }

    async fn ages(&self) -> Result<Vec<AgeRecord>, StoreError> {
        self.read_ages().await
    }

    async fn of_subjects(&self, subjects: &[Rid]) -> Result<KnownOf, StoreError> {
        self.read_of_subjects(subjects).await
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        let mut reader = self.reader("reading tombstones").await?;
        read_tombstones(&mut reader).await
    }
}

pub(crate) async fn read_tombstones(
    transaction: &mut Transaction,
) -> Result<RoaringBitmap, StoreError> {
    let rids: Vec<(i64,)> = query("SELECT rid FROM tombstone ORDER BY rid")
        .fetch_all(transaction)
        .await
        .map_err(failed("reading tombstones"))?;
    rids.into_iter()
        .map(|(rid,)| Rid::from_column(rid).map(Rid::get).ok_or_else(|| integrity("a tombstone")))
        .collect()
}

#[cfg(test)]
mod tests;
