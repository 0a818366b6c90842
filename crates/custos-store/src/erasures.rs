//! What keeps the lake's record of erasures and this store in step.

use async_trait::async_trait;
use custos_core::{FileId, Rid, StoreError, Timestamp};
use custos_erasure::{DestroyedOwner, LedgerStore, StoredRequest};
use custos_keys::DestructionCause;

use crate::Store;
use crate::column::{from_column, integrity, parse, to_column, to_json};
use crate::error::failed;
use crate::requests::bury;
use crate::statement::query;
use crate::store::Part;

#[async_trait]
impl LedgerStore for Store {
    async fn ledger_position(&self) -> Result<u64, StoreError> {
        let (position,): (i64,) = query("SELECT position FROM erasure_record")
            .fetch_one(self.readers())
            .await
            .map_err(failed("reading the place in the record of erasures"))?;
        from_column(position)
    }

    async fn take_position(&self) -> Result<u64, StoreError> {
        let operation = "taking a place in the record of erasures";
        let mut transaction = self.writer(Part::Record, operation).await?;
        let (position,): (i64,) =
            query("UPDATE erasure_record SET position = position + 1 RETURNING position")
                .fetch_one(&mut transaction)
                .await
                .map_err(failed(operation))?;
        transaction.commit().await.map_err(failed(operation))?;
        from_column(position)
    }

    async fn catch_up_to(&self, position: u64) -> Result<(), StoreError> {
        query("UPDATE erasure_record SET position = $1 WHERE position < $1")
            .bind(to_column(position)?)
            .execute(self.writers())
            .await
            .map_err(failed("catching up with the record of erasures"))?;
        Ok(())
    }

    async fn unrecorded(&self, limit: u32) -> Result<Vec<DestroyedOwner>, StoreError> {
        let rows: Vec<(String, i64, String, Option<String>)> = query(
            "SELECT owner, at, cause, request FROM destroyed_owner \
             WHERE recorded = 0 ORDER BY owner LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(failed("listing what is not in the record of erasures"))?;
        rows.into_iter().map(read_destroyed).collect()
    }

    async fn mark_recorded(&self, owners: &[FileId]) -> Result<(), StoreError> {
        query(
            "UPDATE destroyed_owner SET recorded = 1 \
             WHERE recorded = 0 AND owner IN (SELECT value FROM json_each($1))",
        )
        .bind(to_json(owners)?)
        .execute(self.writers())
        .await
        .map_err(failed("noting what is in the record of erasures"))?;
        Ok(())
    }

    async fn put_request(
        &self,
        request: &StoredRequest,
        subjects: &[Rid],
    ) -> Result<(), StoreError> {
        let operation = "putting a request of the record of erasures in its place";
        let mut transaction = self.writer(Part::Suppression, operation).await?;
        query(
            "INSERT INTO request (id, state, revision, received_at, body) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE \
             SET state = $2, revision = $3, received_at = $4, body = $5",
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
}

fn read_destroyed(
    (owner, at, cause, request): (String, i64, String, Option<String>),
) -> Result<DestroyedOwner, StoreError> {
    let what = "the cause of a destruction";
    let request = request.map(|request| parse(&request, what)).transpose()?;
    let cause = DestructionCause::from_ledger(&cause, request).ok_or_else(|| integrity(what))?;
    let owner = parse(&owner, "the owner of a secret")?;
    Ok(DestroyedOwner { owner, at: Timestamp::from_micros(at), cause })
}

#[cfg(test)]
mod tests {
    use custos_core::{EpochId, KeyClass};
    use custos_erasure::{RequestStore, State};
    use custos_keys::{SealedRecord, SealedSecret, SecretStore};
    use custos_query::Population;

    use super::*;
    use crate::testing::{Home, at, on_both, request_id, rids};

    fn secret(number: u8) -> SealedSecret {
        SealedSecret {
            owner: FileId::from_random([number; 16]),
            class: KeyClass::Core,
            epoch: EpochId(1),
            sealed: vec![number; 60],
        }
    }

    fn request(number: u8) -> StoredRequest {
        StoredRequest {
            id: request_id(number),
            state: State::Unlinked,
            revision: 2,
            received_at: at(1),
            sealed: SealedRecord { owner: FileId::from_random([number; 16]), bytes: vec![number] },
            certificate: None,
        }
    }

    async fn places_are_taken_once_and_never_go_back(home: Home) {
        let store = home.create().await;
        assert_eq!(store.ledger_position().await.unwrap(), 0);
        assert_eq!(store.take_position().await.unwrap(), 1);
        assert_eq!(home.open().await.take_position().await.unwrap(), 2);
        store.catch_up_to(7).await.unwrap();
        store.catch_up_to(3).await.unwrap();
        assert_eq!(store.ledger_position().await.unwrap(), 7);
        assert_eq!(store.take_position().await.unwrap(), 8);
    }

    async fn every_destruction_is_unrecorded_until_it_is_noted(home: Home) {
        let store = home.create().await;
        let secrets: Vec<SealedSecret> = (1..=5).map(secret).collect();
        store.insert(&secrets).await.unwrap();
        let causes = [
            DestructionCause::Erasure(request_id(9)),
            DestructionCause::Replaced,
            DestructionCause::JournalFolded,
            DestructionCause::Abandoned,
            DestructionCause::Revoked,
        ];
        for (secret, cause) in secrets.iter().zip(&causes) {
            store.destroy(&[secret.owner], cause, at(5)).await.unwrap();
        }
        let unrecorded = store.unrecorded(10).await.unwrap();
        let found: Vec<_> = unrecorded.iter().map(|one| (one.owner, one.cause, one.at)).collect();
        let expected: Vec<_> = secrets
            .iter()
            .zip(causes)
            .map(|(secret, cause)| (secret.owner, cause, at(5)))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(store.unrecorded(3).await.unwrap().len(), 3);
        store.mark_recorded(&[secrets[1].owner, FileId::from_random([9; 16])]).await.unwrap();
        assert_eq!(store.unrecorded(10).await.unwrap().len(), 4);
    }

    async fn a_request_of_the_record_takes_the_place_of_an_older_one(home: Home) {
        let store = home.create().await;
        let mut replaced = request(3);
        RequestStore::open(&store, &replaced, &rids(&[1])).await.unwrap();
        replaced.revision = 9;
        for newer in [&replaced, &request(4)] {
            store.put_request(newer, &rids(&[2, 3])).await.unwrap();
        }
        let stored = RequestStore::load(&store, replaced.id).await.unwrap().unwrap();
        assert_eq!(stored.revision, 9);
        assert_eq!(RequestStore::list(&store).await.unwrap().len(), 2);
        let hidden = store.tombstones().await.unwrap();
        assert_eq!(hidden.iter().collect::<Vec<u32>>(), [1, 2, 3]);
    }

    on_both! {
        places_are_taken_once_and_never_go_back,
        every_destruction_is_unrecorded_until_it_is_noted,
        a_request_of_the_record_takes_the_place_of_an_older_one,
    }
}
