//! The rows that were changed since the increment before, as a small database.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteOwnedBuf};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr};

use super::chain::Chain;
use crate::BackupError;
use crate::column::integrity;
use crate::error::failed;
use crate::store::{SqliteStore, changes};

/// Most increments are a few rows of a few tables, each of which takes a page.
const PAGE_SIZE: &str = "PRAGMA increment.page_size = 512";

const GATHER: &str = "\
    CREATE TABLE increment.\"{table}\" AS SELECT * FROM main.\"{table}\" WHERE \"{key}\" IN \
    (SELECT key FROM main.change WHERE place = '{table}' AND seq > (SELECT shipped FROM \
    main.snapshot_chain))";

const GATHER_KEYS: &str = "\
    CREATE TABLE increment.changed_key AS SELECT DISTINCT place, key FROM main.change \
    WHERE seq > (SELECT shipped FROM main.snapshot_chain)";

const CONTENT: &str = "\
    CREATE TABLE increment.content AS \
    SELECT stream, number + 1 AS number, newest AS previous, '{id}' AS id, \
    (SELECT max(seq) FROM main.change) AS until FROM main.snapshot_chain";

const APPLY: [&str; 2] = [
    "DELETE FROM main.\"{table}\" WHERE \"{key}\" IN \
     (SELECT key FROM increment.changed_key WHERE place = '{table}')",
    "INSERT OR REPLACE INTO main.\"{table}\" SELECT * FROM increment.\"{table}\"",
];

/// Which increment it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    stream: String,
    pub(super) number: i64,
    previous: String,
    pub(super) id: String,
    /// The last change that is in it.
    pub(super) until: i64,
    /// The size of the sealed object.
    pub(super) bytes: i64,
}

impl Content {
    /// Gathers what was changed, in one moment, for who lets nobody else do so meanwhile.
    pub(super) async fn gather(
        store: &SqliteStore,
        chain: &Chain,
        id: &str,
    ) -> Result<(Self, Vec<u8>), BackupError> {
        let gathered = gather(store, id).await.map_err(failed("gathering what was changed"))?;
        // Whoever takes snapshots changes this alone, and has a lease.
        let same = chain.stream.as_ref() == Some(&gathered.0.stream);
        match same && gathered.0.previous == chain.newest && gathered.0.until > chain.shipped {
            true => Ok(gathered),
            false => Err(integrity("where its snapshots are").into()),
        }
    }

    /// Reads which increment it is; `sealed` is its size in the lake.
    pub(super) async fn read(rows: &[u8], sealed: usize) -> Result<Self, BackupError> {
        let read = async {
            let mut connection = SqliteConnectOptions::new()
                .filename(":memory:")
                .disable_statement_logging()
                .connect()
                .await?;
            attach(&mut connection, rows).await?;
            let content = content(&mut connection).await?;
            connection.close().await?;
            Ok(content)
        };
        let content: Self = read.await.map_err(failed("reading an increment"))?;
        Ok(Self { bytes: i64::try_from(sealed).unwrap_or(i64::MAX), ..content })
    }

    /// Does to a copy, which is of change `until`, what was done to the store since, if this is the
    /// increment that follows `number` and `newest` in `stream`; else, and if it is no increment,
    /// the copy stays as it was.
    pub(super) async fn apply(
        copy: &mut SqliteConnection,
        rows: &[u8],
        (stream, number, newest): (&str, i64, &str),
        until: i64,
    ) -> Result<Option<Self>, sqlx::Error> {
        attach(copy, rows).await?;
        let content = content(copy).await;
        let follows = content.as_ref().is_ok_and(|content| {
            content.stream == stream && content.number == number + 1 && content.previous == newest
        });
        let is_newer = content.as_ref().is_ok_and(|content| content.until > until);
        let applied = if follows && is_newer { apply(copy).await } else { Ok(()) };
        sqlx::query("DETACH increment").execute(&mut *copy).await?;
        applied?;
        content.map(|content| follows.then_some(content))
    }
}

async fn gather(store: &SqliteStore, id: &str) -> Result<(Content, Vec<u8>), sqlx::Error> {
    let mut connection = store.connect_alone().await?;
    for text in ["ATTACH ':memory:' AS increment", PAGE_SIZE] {
        sqlx::query(text).execute(&mut connection).await?;
    }
    let mut transaction = connection.begin().await?;
    let after: i64 = sqlx::query_scalar("SELECT shipped FROM main.snapshot_chain")
        .fetch_one(&mut *transaction)
        .await?;
    for table in changes::changed(&mut transaction, after).await? {
        sqlx::query(table.statement(GATHER)).execute(&mut *transaction).await?;
    }
    sqlx::query(GATHER_KEYS).execute(&mut *transaction).await?;
    // No parameters are allowed there; the id is made of digits.
    let text = AssertSqlSafe(CONTENT.replace("{id}", id)).into_sql_str();
    sqlx::query(text).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let content = content(&mut connection).await?;
    let rows = connection.serialize(Some("increment")).await?.to_vec();
    connection.close().await?;
    Ok((content, rows))
}

async fn attach(connection: &mut SqliteConnection, rows: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("ATTACH ':memory:' AS increment").execute(&mut *connection).await?;
    connection.deserialize(Some("increment"), SqliteOwnedBuf::try_from(rows)?, true).await
}

async fn content(connection: &mut SqliteConnection) -> Result<Content, sqlx::Error> {
    let text = "SELECT stream, number, previous, id, until FROM increment.content";
    let (stream, number, previous, id, until) = sqlx::query_as(text).fetch_one(connection).await?;
    Ok(Content { stream, number, previous, id, until, bytes: 0 })
}

async fn apply(copy: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = copy.begin().await?;
    let places: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT place FROM increment.changed_key")
            .fetch_all(&mut *transaction)
            .await?;
    for table in changes::tables(&mut transaction).await? {
        if places.contains(&table.name) {
            for text in APPLY {
                sqlx::query(table.statement(text)).execute(&mut *transaction).await?;
            }
        }
    }
    transaction.commit().await
}
