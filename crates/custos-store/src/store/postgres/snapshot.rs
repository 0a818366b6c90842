//! A copy of a database on a server, as a store in a file.
//!
//! Both have the same tables and columns, so all that differs is how values are written.

use std::path::Path;

use futures::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row, TypeInfo};

use crate::BackupError;
use crate::error::failed;
use crate::statement::{Value, sqlite_arguments};
use crate::store::sqlite::changes;
use crate::store::sqlite::copy::prepare;

/// Copies what `reader` sees, which must be one moment, into a new store at `path`.
pub(super) async fn copy(reader: &mut PgConnection, path: &Path) -> Result<(), BackupError> {
    prepare(path).await?;
    Ok(copy_tables(reader, path).await.map_err(failed("copying it"))?)
}

async fn copy_tables(reader: &mut PgConnection, path: &Path) -> Result<(), sqlx::Error> {
    // Tables come in any order, and no other file is to stay beside the copy.
    let mut copy = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Memory)
        .disable_statement_logging()
        .connect()
        .await?;
    let mut transaction = copy.begin().await?;
    for table in changes::tables(&mut transaction).await? {
        copy_table(&table.name, reader, &mut transaction).await?;
    }
    transaction.commit().await?;
    copy.close().await
}

/// The names are those of our own migrations.
async fn copy_table(
    table: &str,
    reader: &mut PgConnection,
    copy: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
        .bind(table)
        .fetch_all(&mut *copy)
        .await?;
    let names = columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let places = (1..=columns.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    let select = AssertSqlSafe(format!("SELECT {names} FROM \"{table}\""));
    let insert = format!("INSERT INTO \"{table}\" ({names}) VALUES ({places})");
    let mut rows = sqlx::query(select).fetch(reader);
    while let Some(row) = rows.try_next().await? {
        let values: Vec<Value> =
            (0..columns.len()).map(|at| value(&row, at)).collect::<Result<_, _>>()?;
        let values = sqlite_arguments(values)?;
        sqlx::query_with(AssertSqlSafe(insert.clone()), values).execute(&mut *copy).await?;
    }
    Ok(())
}

fn value(row: &PgRow, at: usize) -> Result<Value, sqlx::Error> {
    match row.column(at).type_info().name() {
        "INT8" => row.try_get(at).map(Value::Integer),
        "BOOL" => row.try_get(at).map(Value::Flag),
        "TEXT" => row.try_get(at).map(Value::Text),
        "BYTEA" => row.try_get(at).map(Value::Bytes),
        other => Err(sqlx::Error::TypeNotFound { type_name: other.to_owned() }),
    }
}
