//! The database file: creating, opening and checking it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use custos_core::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use crate::OpenError;
use crate::column::integrity;
use crate::error::{failed, is_damage};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// "CUST"; the first migration writes it.
const APPLICATION_ID: i32 = 0x4355_5354;

/// How long a writer waits for those of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const CHECKPOINT_PAUSE: Duration = Duration::from_millis(5);

const READERS_MAX: u32 = 4;

const EMPTYING_LOG: &str = "emptying the write-ahead log";

/// The control store.
///
/// Clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    /// One connection: writers of a process queue here, in order, not in SQLite's busy loop.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Makes a new control store and its folder, for the eyes of their owner only.
    pub async fn create(path: &Path) -> Result<Self, OpenError> {
        create_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists { path: path.to_owned() },
            _ => OpenError::Folder(error),
        })?;
        let store = Self::connect(path);
        store.migrate().await?;
        store.write_ahead().await?;
        Ok(store)
    }

    /// Opens the control store, and brings the schema of an older version up to date.
    ///
    /// A copy that was restored is refused until the erasures that it does not know are done
    /// again: [`OpenError::NotReplayed`].
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let store = Self::open_restored(path).await?;
        match store.is_restored().await.map_err(OpenError::Store)? {
            true => Err(OpenError::NotReplayed),
            false => Ok(store),
        }
    }

    /// Does [`Store::open`] with a copy that was restored too, for who does erasures again.
    pub async fn open_restored(path: &Path) -> Result<Self, OpenError> {
        // Never read by other means than SQLite: closing a file drops the locks that other
        // connections of this process hold on it.
        if !path.try_exists().map_err(OpenError::Folder)? {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let store = Self::connect(path);
        let found = store.application_id().await.map_err(|error| opening(path, error))?;
        if found != APPLICATION_ID {
            return Err(OpenError::NotAStore { path: path.to_owned() });
        }
        store.migrate().await?;
        store.write_ahead().await?;
        Ok(store)
    }

    /// Checks the database file: its pages, indexes and references.
    pub async fn integrity(&self) -> Result<(), StoreError> {
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
    pub async fn close(self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// The folder of the database file.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
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
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .acquire_timeout(2 * BUSY_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let writer = pool.clone().max_connections(1).connect_lazy_with(options.clone());
        let readers =
            pool.max_connections(READERS_MAX).connect_lazy_with(options.pragma("query_only", "ON"));
        Self { folder, writer, readers }
    }

    async fn application_id(&self) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&self.writer).await
    }

    /// In one transaction, so that of several processes one migrates and a crash changes nothing.
    async fn migrate(&self) -> Result<(), OpenError> {
        let operation = "updating the schema";
        let mut transaction = self.writer(operation).await.map_err(OpenError::Store)?;
        MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(not_migrated)?;
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

fn opening(path: &Path, error: sqlx::Error) -> OpenError {
    if is_damage(&error) {
        return OpenError::NotAStore { path: path.to_owned() };
    }
    OpenError::Store(failed("opening it")(error))
}

fn not_migrated(error: MigrateError) -> OpenError {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::Newer { found, known },
        error => OpenError::Migration(error),
    }
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
