//! A copy of a store while it is in use: nobody who writes or destroys waits for it.
//!
//! Whoever reads one state of a file keeps its write-ahead log from being emptied, and who
//! destroys something waits for that. So rows are copied a few at a time, each time as they are
//! then, and at last those once more that were changed since the copying began. A copy of a row
//! that does not fit another one shows that one of them was changed meanwhile: it takes the
//! other's place, and both are copied again.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use super::{SqliteStore, changes};
use crate::BackupError;
use crate::error::failed;

/// Rows that are copied at once.
const PAGE: i64 = 5_000;

/// A last round over more rows than this waits for another one before it.
const LAST_ROUND: i64 = 2_000;

const ROUNDS_MAX: u32 = 8;

const HOLD: &str = "\
    UPDATE snapshot_chain SET held = max(shipped, ifnull((SELECT max(seq) FROM change), 0)) \
    RETURNING held";

const RELEASE: [&str; 2] = [
    "UPDATE snapshot_chain SET held = NULL",
    "DELETE FROM change WHERE seq <= (SELECT shipped FROM snapshot_chain)",
];

const FIRST_PAGE: &str = "\
    INSERT OR REPLACE INTO copy.\"{table}\" \
    SELECT * FROM main.\"{table}\" ORDER BY \"{key}\" LIMIT $1";

const NEXT_PAGE: &str = "\
    INSERT OR REPLACE INTO copy.\"{table}\" \
    SELECT * FROM main.\"{table}\" WHERE \"{key}\" > (SELECT max(\"{key}\") FROM copy.\"{table}\") \
    ORDER BY \"{key}\" LIMIT $1";

const AGAIN: [&str; 2] = [
    "DELETE FROM copy.\"{table}\" WHERE \"{key}\" IN \
     (SELECT key FROM main.change WHERE place = '{table}' AND seq > $1)",
    "INSERT OR REPLACE INTO copy.\"{table}\" SELECT * FROM main.\"{table}\" WHERE \"{key}\" IN \
     (SELECT key FROM main.change WHERE place = '{table}' AND seq > $1)",
];

/// The copy knows which increments it holds, and up to which change: an increment that was gathered
/// while it was made, and is noted after, is older than it is.
const CHAIN: &str = "\
    UPDATE copy.snapshot_chain SET (stream, number, newest, shipped) = \
    (SELECT stream, number, newest, $1 FROM main.snapshot_chain)";

/// Copies a store into a new file.
pub(super) async fn copy(store: &SqliteStore, path: &Path) -> Result<(), BackupError> {
    prepare(path).await?;
    let operation = "copying it";
    let held: i64 = sqlx::query_scalar(HOLD)
        .fetch_one(&store.writer)
        .await
        .map_err(failed("beginning a copy"))?;
    let copied = copy_from(store, path, held).await;
    release(store).await?;
    Ok(copied.map_err(failed(operation))?)
}

/// Lets changes go that were kept for a copy.
pub(crate) async fn release(store: &SqliteStore) -> Result<(), BackupError> {
    let operation = "ending a copy";
    let mut transaction = store.writer(operation).await?;
    for text in RELEASE {
        sqlx::query(text).execute(&mut *transaction).await.map_err(failed(operation))?;
    }
    Ok(transaction.commit().await.map_err(failed(operation))?)
}

/// Makes a store in a new file, without a row in it.
pub(crate) async fn prepare(path: &Path) -> Result<(), BackupError> {
    SqliteStore::create(path).await?.close().await;
    Ok(empty(path).await.map_err(failed("preparing a copy"))?)
}

async fn empty(path: &Path) -> Result<(), sqlx::Error> {
    let mut copy = open_copy(path).await?;
    changes::untrack(&mut copy).await?;
    for table in changes::tables(&mut copy).await? {
        sqlx::query(table.statement("DELETE FROM \"{table}\"")).execute(&mut copy).await?;
    }
    copy.close().await
}

/// Opens a copy so that no other file comes to be beside it, and rows may come in any order.
pub(crate) async fn open_copy(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Memory)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
        .connect()
        .await
}

async fn copy_from(store: &SqliteStore, path: &Path, held: i64) -> Result<(), sqlx::Error> {
    let mut connection = store.connect_alone().await?;
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut connection).await?;
    let name = path.to_str().ok_or_else(|| {
        sqlx::Error::Configuration("the path of the control store is not UTF-8".into())
    })?;
    sqlx::query("ATTACH $1 AS copy").bind(name).execute(&mut connection).await?;
    for pragma in ["PRAGMA copy.journal_mode = MEMORY", "PRAGMA copy.synchronous = OFF"] {
        sqlx::query(pragma).execute(&mut connection).await?;
    }
    for table in changes::tables(&mut connection).await? {
        let mut page = FIRST_PAGE;
        while sqlx::query(table.statement(page))
            .bind(PAGE)
            .execute(&mut connection)
            .await?
            .rows_affected()
            > 0
        {
            page = NEXT_PAGE;
        }
    }
    let mut after = held;
    for _ in 0..ROUNDS_MAX {
        let (until, count) = copy_again(&mut connection, after).await?;
        after = until;
        if count <= LAST_ROUND {
            break;
        }
    }
    connection.close().await
}

/// Copies once more what was changed after a moment; returns the moment that the copy is of then,
/// and how many changes there were.
async fn copy_again(
    connection: &mut SqliteConnection,
    after: i64,
) -> Result<(i64, i64), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let (until, count): (i64, i64) =
        sqlx::query_as("SELECT ifnull(max(seq), $1), count(*) FROM main.change WHERE seq > $1")
            .bind(after)
            .fetch_one(&mut *transaction)
            .await?;
    for table in changes::changed(&mut transaction, after).await? {
        for text in AGAIN {
            sqlx::query(table.statement(text)).bind(after).execute(&mut *transaction).await?;
        }
    }
    sqlx::query(CHAIN).bind(until).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((until, count))
}
