//! Which rows were changed since a moment, and which tables have rows at all.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Tables of rows: not those about copies of the store, which are different in each copy.
const TABLES: &str = "\
    SELECT name, (SELECT group_concat(name) FROM pragma_table_info(tables.name) WHERE pk > 0) \
    FROM sqlite_schema AS tables \
    WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
      AND name NOT IN ('_sqlx_migrations', 'change', 'snapshot_chain', 'restored') \
    ORDER BY name";

const EVENTS: [(&str, &str); 3] = [
    ("INSERT", "VALUES ('{table}', NEW.\"{key}\")"),
    ("UPDATE", "SELECT '{table}', NEW.\"{key}\" UNION SELECT '{table}', OLD.\"{key}\""),
    ("DELETE", "VALUES ('{table}', OLD.\"{key}\")"),
];

/// A table and its one key column.
#[derive(Debug)]
pub(crate) struct TableOfRows {
    pub(crate) name: String,
    pub(crate) key: String,
}

impl TableOfRows {
    /// A statement about this table, which names it `{table}` and its key `{key}`. The names are
    /// those of our own migrations.
    pub(crate) fn statement(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("{table}", &self.name).replace("{key}", &self.key))
    }
}

/// The tables whose rows make up a store.
pub(crate) async fn tables(
    connection: &mut SqliteConnection,
) -> Result<Vec<TableOfRows>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(name, key)| TableOfRows { name, key }).collect())
}

/// The tables of which rows were changed after a moment.
pub(crate) async fn changed(
    connection: &mut SqliteConnection,
    after: i64,
) -> Result<Vec<TableOfRows>, sqlx::Error> {
    let places: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT place FROM main.change WHERE seq > $1")
            .bind(after)
            .fetch_all(&mut *connection)
            .await?;
    let mut tables = tables(connection).await?;
    tables.retain(|table| places.contains(&table.name));
    Ok(tables)
}

/// Has every table note from now on which of its rows are changed.
///
/// Belongs into the transaction that brings the schema to `version`. What was changed by that, or
/// before a table took notes, is in no increment, so a new chain of snapshots begins then.
pub(crate) async fn track(
    version: usize,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let tracked: i64 =
        sqlx::query_scalar("SELECT schema FROM snapshot_chain").fetch_one(&mut *connection).await?;
    if tracked == version {
        return Ok(());
    }
    for table in tables(&mut *connection).await? {
        for (event, rows) in EVENTS {
            let text = format!(
                "CREATE TRIGGER IF NOT EXISTS \"{{table}}_{event}\" AFTER {event} ON \"{{table}}\" \
                 BEGIN INSERT INTO change (place, key) {rows}; END"
            );
            sqlx::query(table.statement(&text)).execute(&mut *connection).await?;
        }
    }
    // A copy counts its own changes from the start.
    sqlx::query("UPDATE snapshot_chain SET schema = $1, shipped = 0, stream = NULL")
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends the notes of a copy, which begins its own when it is opened as a store.
pub(crate) async fn untrack(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for table in tables(&mut transaction).await? {
        for (event, _) in EVENTS {
            let text = format!("DROP TRIGGER IF EXISTS \"{{table}}_{event}\"");
            sqlx::query(table.statement(&text)).execute(&mut *transaction).await?;
        }
    }
    sqlx::query("DELETE FROM change").execute(&mut *transaction).await?;
    sqlx::query(
        "UPDATE snapshot_chain SET schema = 0, shipped = 0, held = NULL, stream = NULL, \
         pending = NULL, full = NULL",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}
