//! A control store in a file: creating, opening and checking it.

pub(crate) mod changes;
pub(crate) mod copy;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use custos_core::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection, Transaction};

use super::migrations;
use crate::column::integrity;
use crate::error::{failed, is_damage};
use crate::lease::FileLease;
use crate::{BackupError, OpenError, backup};

/// The migrations, which never change once they were in a release.
const MIGRATIONS: [&str; 8] = [
    include_str!("../../migrations/sqlite/0001_control_store.sql"),
    include_str!("../../migrations/sqlite/0002_table_head.sql"),
    include_str!("../../migrations/sqlite/0003_keys_and_erasures.sql"),
    include_str!("../../migrations/sqlite/0004_exports.sql"),
    include_str!("../../migrations/sqlite/0005_snapshots.sql"),
    include_str!("../../migrations/sqlite/0006_policies.sql"),
    include_str!("../../migrations/sqlite/0007_logins.sql"),
    include_str!("../../migrations/sqlite/0008_ages.sql"),
];

/// "CUST"; the first migration writes it.
const APPLICATION_ID: i32 = 0x4355_5354;

/// How long a writer waits for those of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const CHECKPOINT_PAUSE: Duration = Duration::from_millis(5);

const READERS_MAX: u32 = 4;

const EMPTYING_LOG: &str = "emptying the write-ahead log";

/// A control store in a file.
#[derive(Debug, Clone)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    /// One connection: writers of a process queue here, in order, not in SQLite's busy loop.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Makes a new control store and its folder, for the eyes of their owner only.
    pub(crate) async fn create(path: &Path) -> Result<Self, OpenError> {
        create_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists { place: path.display().to_string() },
            _ => OpenError::Folder(error),
        })?;
        let store = Self::connect(path);
        store.migrate().await?;
        store.write_ahead().await?;
        Ok(store)
    }

    /// Opens the control store, and brings the schema of an older version up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        // Never read by other means than SQLite: closing a file drops the locks that other
        // connections of this process hold on it.
        if !path.try_exists().map_err(OpenError::Folder)? {
            return Err(OpenError::Missing { place: path.display().to_string() });
        }
        let store = Self::connect(path);
        let found = store.application_id().await.map_err(|error| opening(path, error))?;
        if found != APPLICATION_ID {
            return Err(OpenError::NotAStore { place: path.display().to_string() });
        }
        store.migrate().await?;
        store.write_ahead().await?;
        backup::clear_leftovers(path).map_err(OpenError::Folder)?;
        Ok(store)
    }

    /// Checks the database file: its pages, indexes and references.
    pub(crate) async fn integrity(&self) -> Result<(), StoreError> {
        let operation = "checking the integrity";
        let mut reader = self.reader(operation).await?;
        let pages: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
            .fetch_one(&mut *reader)
            .await
            .map_err(failed(operation))?;
        if pages != "ok" {
            return Err(integrity("the database file is damaged"));
        }
        let dangling = sqlx::query("PRAGMA foreign_key_check")
            .fetch_optional(&mut *reader)
            .await
            .map_err(failed(operation))?;
        match dangling {
            None => Ok(()),
            Some(_) => Err(integrity("a reference leads nowhere")),
        }
    }

    /// Ends all connections.
    pub(crate) async fn close(self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Copies all of one moment into a new file, for who makes no other copy meanwhile.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), BackupError> {
        copy::copy(self, path).await
    }

    /// A connection of its own, for work that is to keep nobody waiting.
    pub(crate) async fn connect_alone(&self) -> Result<SqliteConnection, sqlx::Error> {
        options(&self.path).connect().await
    }

    /// Waits for a lease.
    pub(crate) async fn lease(&self, name: &str) -> Result<FileLease, StoreError> {
        FileLease::take(self.folder(), name).await
    }

    /// Begins to change the store. What is not committed never happened.
    pub(crate) async fn writer(
        &self,
        operation: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed(operation))
    }

    /// For statements that change alone and return no rows.
    pub(crate) const fn writers(&self) -> &SqlitePool {
        &self.writer
    }

    /// Begins to read one state of the store.
    pub(crate) async fn reader(
        &self,
        operation: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(failed(operation))
    }

    /// For statements that read alone.
    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Empties the write-ahead log, which holds older states of changed pages.
    pub(crate) async fn forget_older_states(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + BUSY_TIMEOUT;
        while !self.empty_log().await? {
            if Instant::now() >= deadline {
                let source = "other processes keep it in use".into();
                return Err(StoreError::Unavailable { operation: EMPTYING_LOG, source });
            }
            // SQLite waits for readers by itself, but not for a process that does the same.
            tokio::time::sleep(CHECKPOINT_PAUSE).await;
        }
        Ok(())
    }

    /// Whether nobody was in the way.
    ///
    /// `main`, since SQLite would else look at its temporary database too, which is in use for a
    /// while after a migration that renames a table.
    async fn empty_log(&self) -> Result<bool, StoreError> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA main.wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.writer)
            .await
            .map_err(failed(EMPTYING_LOG))?;
        Ok(busy == 0)
    }

    fn connect(path: &Path) -> Self {
        let options = options(path);
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(2 * BUSY_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let writer = pool.clone().max_connections(1).connect_lazy_with(options.clone());
        let readers =
            pool.max_connections(READERS_MAX).connect_lazy_with(options.pragma("query_only", "ON"));
        Self { path: path.to_owned(), writer, readers }
    }

    async fn application_id(&self) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&self.writer).await
    }

    /// In one transaction, so that of several processes one migrates and a crash changes nothing.
    async fn migrate(&self) -> Result<(), OpenError> {
        let operation = "updating the schema";
        let mut transaction = self.writer(operation).await.map_err(OpenError::Store)?;
        migrations::run(&MIGRATIONS, &mut *transaction).await?;
        let tracked = changes::track(MIGRATIONS.len(), &mut transaction).await;
        tracked.map_err(failed(operation)).map_err(OpenError::Store)?;
        transaction.commit().await.map_err(failed(operation)).map_err(OpenError::Store)
    }

    /// Readers and a writer then do not wait for each other. The file remembers it, but a copy
    /// made by `VACUUM INTO` does not.
    async fn write_ahead(&self) -> Result<(), OpenError> {
        let operation = "turning on the write-ahead log";
        let statement = "PRAGMA journal_mode = WAL";
        let mode: String = sqlx::query_scalar(statement)
            .fetch_one(&self.writer)
            .await
            .map_err(failed(operation))
            .map_err(OpenError::Store)?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        let source = "the file system does not support it".into();
        Err(OpenError::Store(StoreError::Unavailable { operation, source }))
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

fn opening(path: &Path, error: sqlx::Error) -> OpenError {
    if is_damage(&error) {
        return OpenError::NotAStore { place: path.display().to_string() };
    }
    OpenError::Store(failed("opening it")(error))
}

/// SQLite gives the files that it puts beside this one the same permissions.
fn create_file(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    create_private_folder(folder)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    File::open(folder)?.sync_all()
}

/// Makes the folder if it is not there, for its owner only.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests;
