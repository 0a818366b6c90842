//! How old subjects are.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use custos_consent::AgeRecord;
use custos_core::{Rid, StoreError};

use crate::Store;
use crate::column::{integrity, to_json};
use crate::epoch::{self, EpochName};
use crate::error::failed;
use crate::statement::{Transaction, query};
use crate::store::Part;

impl Store {
    /// Records what is known of subjects' ages, all or none, and returns of how many it changed.
    ///
    /// What a record leaves open stays as it was. Records about nobody in particular are left out,
    /// and those of who was erased.
    pub async fn set_ages(&self, records: &[AgeRecord]) -> Result<u64, StoreError> {
        let operation = "recording ages";
        let mut transaction = self.writer(Part::Consents, operation).await?;
        let mut changed = 0;
        for (jurisdiction, packed) in by_jurisdiction(records) {
            for chunk in packed.chunks(CHUNK) {
                changed += set(&mut transaction, jurisdiction, chunk, operation).await?;
            }
        }
        if changed > 0 {
            epoch::raise(&mut transaction, EpochName::Ages).await?;
        }
        transaction.commit().await.map_err(failed(operation))?;
        Ok(changed)
    }

    pub(crate) async fn read_ages(&self) -> Result<Vec<AgeRecord>, StoreError> {
        let rows: Vec<AgeRow> = query("SELECT rid, born, jurisdiction FROM subject_age")
            .fetch_all(self.readers())
            .await
            .map_err(failed("reading ages"))?;
        rows.into_iter().map(read_age).collect()
    }
}

/// Subject, day of birth, jurisdiction.
pub(crate) type AgeRow = (i64, Option<i64>, Option<String>);

pub(crate) fn read_age((rid, born, jurisdiction): AgeRow) -> Result<AgeRecord, StoreError> {
    let born = match born {
        Some(days) => Some(day(days).ok_or_else(|| integrity("a day of birth"))?),
        None => None,
    };
    let rid = Rid::from_column(rid).ok_or_else(|| integrity("the subject of an age"))?;
    Ok(AgeRecord { rid, born, jurisdiction })
}

fn day(days: i64) -> Option<NaiveDate> {
    match u64::try_from(days) {
        Ok(days) => NaiveDate::default().checked_add_days(Days::new(days)),
        Err(_) => NaiveDate::default().checked_sub_days(Days::new(days.unsigned_abs())),
    }
}

/// What is known of each subject, packed, by jurisdiction. Of several records of one subject the
/// last that says something counts.
fn by_jurisdiction(records: &[AgeRecord]) -> BTreeMap<Option<&str>, Vec<i64>> {
    let mut known: BTreeMap<Rid, (Option<NaiveDate>, Option<&str>)> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.rid.is_none()) {
        let (born, jurisdiction) = known.entry(record.rid).or_default();
        *born = record.born.or(*born);
        *jurisdiction = record.jurisdiction.as_deref().or(*jurisdiction);
    }
    let mut by_jurisdiction: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for (rid, (born, jurisdiction)) in known {
        by_jurisdiction.entry(jurisdiction).or_default().push(packed(rid, born));
    }
    by_jurisdiction
}

/// A subject and a day of birth as one number, of which lists go into one statement: the day in the
/// lowest 24 bits, above [`EPOCH_DAY`], or 0 if it is not known.
fn packed(rid: Rid, born: Option<NaiveDate>) -> i64 {
    let day = born.map(|born| EPOCH_DAY + (born - NaiveDate::default()).num_days());
    rid.column_value() << 24 | day.filter(|day| (1..1 << 24).contains(day)).unwrap_or(0)
}

/// 1970-01-01 among the days that [`packed`] numbers.
const EPOCH_DAY: i64 = 1 << 23;

/// Subjects of one statement.
const CHUNK: usize = 10_000;

async fn set(
    transaction: &mut Transaction,
    jurisdiction: Option<&str>,
    packed: &[i64],
    operation: &'static str,
) -> Result<u64, StoreError> {
    query(
        "WITH packed AS (SELECT CAST(value AS BIGINT) AS value FROM json_each($1)), \
         fresh AS (SELECT value / 16777216 AS rid, \
                   NULLIF(value % 16777216, 0) - 8388608 AS born FROM packed) \
         INSERT INTO subject_age (rid, born, jurisdiction) \
         SELECT rid, born, $2 FROM fresh \
         WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE tombstone.rid = fresh.rid) \
         ON CONFLICT (rid) DO UPDATE SET \
             born = COALESCE(excluded.born, subject_age.born), \
             jurisdiction = COALESCE(excluded.jurisdiction, subject_age.jurisdiction) \
         WHERE subject_age.born IS DISTINCT FROM COALESCE(excluded.born, subject_age.born) \
            OR subject_age.jurisdiction \
               IS DISTINCT FROM COALESCE(excluded.jurisdiction, subject_age.jurisdiction)",
    )
    .bind(to_json(packed)?)
    .bind(jurisdiction)
    .execute(transaction)
    .await
    .map_err(failed(operation))
}
