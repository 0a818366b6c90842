//! Whose rows will be too old to be shown tomorrow.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use custos_core::{Purpose, TableName, Timestamp};
use custos_lake::{Access, ColumnRole, OpenFile, RowRange};
use custos_policy::{Decision, Principal, ReadGrant};
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::aging::Aging;
use crate::governor::SourceSeen;
use crate::{Governor, QueryError};

const DAY_SECONDS: i64 = 86_400;
const BATCH_ROWS: usize = 65_536;

/// The subjects named in rows of these tables that are shown on the day of `now` and not on the
/// next.
pub(super) async fn subjects_aging_out(
    governor: &Governor,
    (principal, purpose): (&Principal, &Purpose),
    tables: &BTreeSet<TableName>,
    now: Timestamp,
) -> Result<RoaringBitmap, QueryError> {
    let mut subjects = RoaringBitmap::new();
    for table in tables {
        let seen = governor.source_seen(table, principal, purpose)?;
        let dataset = seen.source.dataset();
        let tomorrow = now.plus_seconds(DAY_SECONDS);
        let tomorrow = match governor.policy().decide(principal, purpose, dataset, tomorrow) {
            Decision::Permit(grant) => grant,
            Decision::Deny(_) => continue,
        };
        if let Some(grant) = &seen.grant {
            subjects |= of_table(&seen, grant, &tomorrow).await?;
        }
    }
    Ok(subjects)
}

async fn of_table(
    seen: &SourceSeen,
    today: &ReadGrant,
    tomorrow: &ReadGrant,
) -> Result<RoaringBitmap, QueryError> {
    let table = seen.source.table();
    let ages = |grant| Aging::of(grant, table.spec());
    let mut subjects = RoaringBitmap::new();
    let (Some(today_ages), Some(tomorrow_ages)) = (ages(today), ages(tomorrow)) else {
        return Ok(subjects);
    };
    let Some(time) = today_ages.column.filter(|_| today_ages != tomorrow_ages) else {
        return Ok(subjects);
    };
    let access = Access::Read(today);
    let mut columns: Vec<usize> = vec![time];
    let names_somebody = |role| matches!(role, ColumnRole::Subject | ColumnRole::SecondarySubject);
    let spec = table.spec().columns().iter().enumerate();
    columns.extend(spec.filter(|(_, column)| names_somebody(column.role)).map(|(at, _)| at));
    for file in table.open_current(access).await?.1 {
        let passed = tomorrow_ages.passed_by(&file, access);
        for (group, _) in passed.into_iter().enumerate().filter(|(_, passed)| !passed) {
            let between = Between { today: &today_ages, tomorrow: &tomorrow_ages };
            between.add(&mut subjects, (&file, access), &columns, group).await?;
        }
    }
    Ok(subjects)
}

/// What is young enough today, and not tomorrow.
struct Between<'a> {
    today: &'a Aging,
    tomorrow: &'a Aging,
}

impl Between<'_> {
    /// Adds the subjects of such rows of a row group.
    async fn add(
        &self,
        subjects: &mut RoaringBitmap,
        (file, access): (&OpenFile, Access<'_>),
        columns: &[usize],
        group: usize,
    ) -> Result<(), QueryError> {
        let rows = RowRange::group(group);
        let mut batches = Box::pin(file.read(access, columns, rows, BATCH_ROWS)?);
        while let Some(batch) = batches.try_next().await? {
            let times = batch.column(0);
            let aging = &self.today.young(times) & &!&self.tomorrow.young(times);
            for named in &batch.columns()[1..] {
                let named = named.as_primitive_opt::<Int64Type>().ok_or(QueryError::Internal)?;
                let rids = aging.set_indices().map(|row| named.value(row));
                subjects.extend(rids.filter_map(|rid| u32::try_from(rid).ok()));
            }
        }
        Ok(())
    }
}
