//! Where a store's snapshots are: what the store remembers, and how the objects are named.

use std::fmt;
use std::path::Path;

use custos_core::FileId;
use custos_keys::random_bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, FromRow, Row};

use super::{CHANGES_MAX, INCREMENTS_BYTES_MIN, INCREMENTS_MAX, SHARE, Snapshots};
use crate::BackupError;
use crate::error::failed;
use crate::snapshots::increment::Content;
use crate::store::open_copy;

const REMEMBERING: &str = "remembering a snapshot";

/// What a store remembers of its snapshots, as the migration says.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) stream: Option<String>,
    pub(super) number: i64,
    pub(super) newest: String,
    pub(super) pending: Option<String>,
    pub(super) full: Option<i64>,
    full_bytes: i64,
    bytes: i64,
    pub(super) at: Option<i64>,
    pub(super) shipped: i64,
    /// How many changes of rows are in no increment.
    changes: i64,
}

impl FromRow<'_, SqliteRow> for Chain {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            stream: row.try_get("stream")?,
            number: row.try_get("number")?,
            newest: row.try_get("newest")?,
            pending: row.try_get("pending")?,
            full: row.try_get("full")?,
            full_bytes: row.try_get("full_bytes")?,
            bytes: row.try_get("bytes")?,
            at: row.try_get("at")?,
            shipped: row.try_get("shipped")?,
            changes: row.try_get("changes")?,
        })
    }
}

impl Chain {
    /// Whether there is a full copy that increments can follow.
    pub(super) const fn is_begun(&self) -> bool {
        self.stream.is_some() && self.full.is_some()
    }

    /// Whether rows were changed that are in no increment.
    pub(super) const fn changed(&self) -> bool {
        self.changes > 0
    }

    /// Whether that is too much for an increment, which is made in memory.
    pub(super) const fn is_too_much(&self) -> bool {
        self.changes > CHANGES_MAX
    }

    /// Whether the increments have become many.
    pub(super) fn wants_full(&self) -> bool {
        let enough = (self.full_bytes / SHARE).max(INCREMENTS_BYTES_MIN);
        self.full.is_none_or(|full| self.number - full >= INCREMENTS_MAX) || self.bytes > enough
    }
}

/// A full copy, or an increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Increment,
    Full,
}

/// The name of an object: names sort by the time at which streams began, then by numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) stream: String,
    pub(super) number: i64,
    pub(super) kind: Kind,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Increment => "increment",
            Kind::Full => "full",
        };
        write!(f, "{}/{:010}.{kind}", self.stream, self.number)
    }
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stream, rest) = text.split_once('/')?;
        let (number, kind) = rest.split_once('.')?;
        let kind = match kind {
            "increment" => Kind::Increment,
            "full" => Kind::Full,
            _ => return None,
        };
        let number = Some(number).filter(|text| text.len() == 10)?.parse().ok()?;
        Some(Self { stream: stream.to_owned(), number, kind })
    }
}

/// The names of snapshots among those of objects.
pub(super) fn parse_all(objects: &[(String, u64)]) -> Vec<Name> {
    objects.iter().filter_map(|(name, _)| Name::parse(name)).collect()
}

/// The stream and the last increment that a copy holds.
pub(super) async fn of_copy(path: &Path) -> Result<(Option<String>, i64), BackupError> {
    let read = async {
        let mut copy = open_copy(path).await?;
        let chain = sqlx::query_as("SELECT stream, number FROM snapshot_chain")
            .fetch_one(&mut copy)
            .await?;
        copy.close().await?;
        Ok(chain)
    };
    Ok(read.await.map_err(failed("reading a copy"))?)
}

impl Snapshots {
    pub(super) async fn chain(&self) -> Result<Chain, BackupError> {
        let chain = sqlx::query_as(
            "SELECT stream, number, newest, pending, full, full_bytes, bytes, at, shipped, \
             ifnull((SELECT max(seq) FROM change), 0) - shipped AS changes FROM snapshot_chain",
        )
        .fetch_one(self.store.readers())
        .await;
        Ok(chain.map_err(failed("reading where its snapshots are"))?)
    }

    /// Begins a stream without a full copy, unless there is one.
    pub(super) async fn begin_stream(&self) -> Result<(), BackupError> {
        let random = FileId::from_random(random_bytes()?);
        let stream = format!("{:020}-{random}", self.clock.now().micros());
        // What was changed before is in the full copy to come.
        let statement = sqlx::query(
            "UPDATE snapshot_chain SET stream = $1, number = 0, newest = '', pending = NULL, \
             full = NULL, full_bytes = 0, bytes = 0, \
             shipped = max(shipped, ifnull((SELECT max(seq) FROM change), 0)) \
             WHERE stream IS NULL",
        );
        self.remember(statement.bind(stream)).await.map(|_| ())
    }

    /// Ends the chain: it goes on as another one's, or is not whole.
    pub(super) async fn end_chain(&self) -> Result<(), BackupError> {
        let text = "UPDATE snapshot_chain SET stream = NULL, pending = NULL, full = NULL";
        self.remember(sqlx::query(text)).await.map(|_| ())
    }

    pub(super) async fn note_pending(&self, id: &str) -> Result<(), BackupError> {
        self.remember(sqlx::query("UPDATE snapshot_chain SET pending = $1").bind(id.to_owned()))
            .await
            .map(|_| ())
    }

    /// Notes that an increment is in the lake; `false` if its stream is not the present one.
    pub(super) async fn note(&self, content: &Content, chain: &Chain) -> Result<bool, BackupError> {
        let mut transaction = self.store.writer(REMEMBERING).await?;
        let noted = sqlx::query(
            "UPDATE snapshot_chain SET number = $1, newest = $2, pending = NULL, shipped = $3, \
             bytes = bytes + $4, at = $5 WHERE stream = $6",
        )
        .bind(content.number)
        .bind(content.id.clone())
        .bind(content.until)
        .bind(content.bytes)
        .bind(self.clock.now().micros())
        .bind(chain.stream.clone())
        .execute(&mut *transaction)
        .await
        .map_err(failed(REMEMBERING))?;
        sqlx::query(
            "DELETE FROM change WHERE seq <= \
             (SELECT min(shipped, ifnull(held, shipped)) FROM snapshot_chain)",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed(REMEMBERING))?;
        transaction.commit().await.map_err(failed(REMEMBERING))?;
        Ok(noted.rows_affected() == 1)
    }

    /// Notes that a full copy is in the lake; `false` if its stream is not the present one.
    pub(super) async fn note_full(&self, name: &Name, bytes: i64) -> Result<bool, BackupError> {
        let statement = sqlx::query(
            "UPDATE snapshot_chain SET full = $1, full_bytes = $2, bytes = 0, at = $3 \
             WHERE stream = $4",
        )
        .bind(name.number)
        .bind(bytes)
        .bind(self.clock.now().micros())
        .bind(name.stream.clone());
        Ok(self.remember(statement).await? == 1)
    }

    async fn remember(
        &self,
        statement: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<u64, BackupError> {
        let done = statement.execute(self.store.writers()).await.map_err(failed(REMEMBERING))?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_number_and_are_read_back() {
        let name = |stream: &str, number, kind| Name { stream: stream.to_owned(), number, kind };
        let names = [
            name("1-b", 2, Kind::Increment),
            name("1-b", 2, Kind::Full),
            name("1-b", 10, Kind::Increment),
            name("2-a", 0, Kind::Full),
        ];
        assert!(names.is_sorted());
        for name in &names {
            assert_eq!(Name::parse(&name.to_string()).as_ref(), Some(name));
        }
        for other in ["1-b", "1-b/2.full", "1-b/0000000002.part", "1-b/x000000002.full"] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
