//! Consent events.

use std::sync::Arc;

use custos_consent::ConsentEvent;
use custos_core::{Rid, StoreError, Timestamp};
use custos_query::{Consents, KnownOf};
use futures::TryStreamExt;

use crate::Store;
use crate::ages::read_age;
use crate::column::{integrity, parse, to_json};
use crate::epoch::{self, EpochName};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

impl Store {
    /// Adds consent events that are not there yet, all or none, and returns how many were new.
    ///
    /// Events about nobody in particular are left out.
    pub async fn add_consents(&self, events: &[ConsentEvent]) -> Result<u64, StoreError> {
        let operation = "adding consents";
        let mut transaction = self.writer(Part::Consents, operation).await?;
        let mut added = 0;
        for event in events.iter().filter(|event| !event.rid.is_none()) {
            added += add(&mut transaction, event, operation).await?;
        }
        if added > 0 {
            epoch::raise(&mut transaction, EpochName::Consent).await?;
        }
        transaction.commit().await.map_err(failed(operation))?;
        Ok(added)
    }

    /// The consent events of these subjects, by subject and then by time.
    pub async fn consent_history(&self, rids: &[Rid]) -> Result<Vec<ConsentEvent>, StoreError> {
        let rows: Vec<ConsentRow> = query(
            "SELECT rid, purpose, status, at, expires_at, notice, channel, authority \
             FROM consent_event WHERE rid IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) \
             ORDER BY rid, at, seq",
        )
        .bind(to_json(rids)?)
        .fetch_all(self.readers())
        .await
        .map_err(failed("reading a consent history"))?;
        rows.into_iter().map(read_event).collect()
    }

    /// The consents and ages of some subjects, and those of them who are erased, as of one moment.
    pub(crate) async fn read_of_subjects(&self, rids: &[Rid]) -> Result<KnownOf, StoreError> {
        let rows: Vec<OfSubject> = query(
            "WITH asked AS (SELECT CAST(value AS BIGINT) AS rid FROM json_each($1)) \
             SELECT 'consent', rid, purpose, status, at, expires_at, notice, channel, authority \
             FROM consent_event WHERE rid IN (SELECT rid FROM asked) \
             UNION ALL SELECT 'age', rid, jurisdiction, NULL, born, NULL, NULL, NULL, NULL \
             FROM subject_age WHERE rid IN (SELECT rid FROM asked) \
             UNION ALL SELECT 'tombstone', rid, NULL, NULL, NULL, NULL, NULL, NULL, NULL \
             FROM tombstone WHERE rid IN (SELECT rid FROM asked)",
        )
        .bind(to_json(rids)?)
        .fetch_all(self.readers())
        .await
        .map_err(failed("reading what is known of subjects"))?;
        let mut known = KnownOf::default();
        for (kind, rid, named, status, at, expires_at, notice, channel, authority) in rows {
            match (&*kind, named, status, at, authority) {
                ("consent", Some(purpose), Some(status), Some(at), Some(authority)) => {
                    let row = (rid, purpose, status, at, expires_at, notice, channel, authority);
                    known.consents.apply(read_event(row)?);
                }
                ("age", jurisdiction, _, born, _) => {
                    known.ages.push(read_age((rid, born, jurisdiction))?);
                }
                ("tombstone", ..) => {
                    let rid = Rid::from_column(rid).ok_or_else(|| integrity("a tombstone"))?;
                    known.tombstones.insert(rid.get());
                }
                _ => return Err(integrity("a consent")),
            }
        }
        Ok(known)
    }

    /// The events behind those that are known. They are numbered in the order in which they are
    /// committed, since all who write consents take turns.
    pub(crate) async fn read_consents(&self, known: Consents) -> Result<Consents, StoreError> {
        let Consents { mut book, mut last } = known;
        let added = Arc::make_mut(&mut book);
        let mut rows = query(
            "SELECT seq, rid, purpose, status, at, expires_at, notice, channel, authority \
             FROM consent_event WHERE seq > $1",
        )
        .bind(last)
        .fetch::<NumberedRow>(self.readers());
        while let Some(row) = rows.try_next().await.map_err(failed("reading consents"))? {
            let (seq, rid, purpose, status, at, expires_at, notice, channel, authority) = row;
            last = last.max(seq);
            added.apply(read_event((
                rid, purpose, status, at, expires_at, notice, channel, authority,
            ))?);
        }
        Ok(Consents { book, last })
    }
}

/// What it is of, and a consent's columns; of an age jurisdiction and day of birth stand in those of
/// purpose and time.
type OfSubject = (
    String,
    i64,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<bool>,
);

/// Subject, purpose, status, time, expiry, notice, channel, authority.
type ConsentRow = (i64, String, String, i64, Option<i64>, Option<String>, Option<String>, bool);

/// The same behind its number.
type NumberedRow =
    (i64, i64, String, String, i64, Option<i64>, Option<String>, Option<String>, bool);

fn read_event(row: ConsentRow) -> Result<ConsentEvent, StoreError> {
    let (rid, purpose, status, at, expires_at, notice, channel, authority) = row;
    Ok(ConsentEvent {
        rid: Rid::from_column(rid).ok_or_else(|| integrity("the subject of a consent"))?,
        at: Timestamp::from_micros(at),
        purpose: parse(&purpose, "the purpose of a consent")?,
        status: parse(&status, "the status of a consent")?,
        expires_at: expires_at.map(Timestamp::from_micros),
        notice,
        channel,
        authority,
    })
}

async fn add(
    transaction: &mut Transaction,
    event: &ConsentEvent,
    operation: &'static str,
) -> Result<u64, StoreError> {
    query(
        "INSERT INTO consent_event \
             (rid, purpose, status, at, expires_at, notice, channel, authority) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS ( \
             SELECT 1 FROM consent_event WHERE rid = $1 AND purpose = $2 AND status = $3 \
             AND at = $4 AND authority = $8 AND expires_at IS NOT DISTINCT FROM $5 \
             AND notice IS NOT DISTINCT FROM $6 AND channel IS NOT DISTINCT FROM $7)",
    )
    .bind(event.rid.column_value())
    .bind(event.purpose.as_str())
    .bind(event.status.as_str())
    .bind(event.at.micros())
    .bind(event.expires_at.map(Timestamp::micros))
    .bind(event.notice.as_deref())
    .bind(event.channel.as_deref())
    .bind(event.authority)
    .execute(transaction)
    .await
    .map_err(failed(operation))
}
