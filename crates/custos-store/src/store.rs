//! The control store: a file, or a database on a server.

mod migrations;
mod postgres;
mod sqlite;

use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use custos_core::StoreError;

use crate::lease::StoreLease;
use crate::statement::{Statement, Target, Transaction};
use crate::{BackupError, OpenError, Snapshots};
use postgres::PostgresStore;

pub(crate) use postgres::SessionLease;
pub use postgres::{PostgresUrl, PostgresUrlError};
pub(crate) use sqlite::copy::open_copy;
pub(crate) use sqlite::{SqliteStore, changes, create_private_folder};

/// The control store.
///
/// Clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    pub(crate) snapshots: Arc<OnceLock<Weak<Snapshots>>>,
}

#[derive(Debug, Clone)]
enum Database {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// What is changed in turn: whoever writes to a part of the store waits for those before.
///
/// Then a transaction sees all that was written to its part before it, none is refused because of
/// another, and none locks rows in another order than another. A file has one turn for all parts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Schema,
    Secrets,
    Audit,
    Subjects,
    Suppression,
    Consents,
    Record,
}

impl Store {
    /// Makes a new control store in a file, and its folder, for the eyes of their owner only.
    pub async fn create(path: &Path) -> Result<Self, OpenError> {
        Ok(Database::Sqlite(SqliteStore::create(path).await?).into())
    }

    /// Opens the control store in a file, and brings the schema of an older version up to date.
    ///
    /// A copy that was restored is refused until the erasures that it does not know are done
    /// again: [`OpenError::NotReplayed`].
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_restored(path).await?.refused_if_restored().await
    }

    /// Does [`Store::open`] with a copy that was restored too, for who does erasures again.
    pub async fn open_restored(path: &Path) -> Result<Self, OpenError> {
        Ok(Database::Sqlite(SqliteStore::open(path).await?).into())
    }

    /// Makes a new control store in an empty database of a PostgreSQL server.
    ///
    /// `folder` is where this machine makes backups; it is made when the first one is.
    pub async fn create_postgres(url: &PostgresUrl, folder: &Path) -> Result<Self, OpenError> {
        Ok(Database::Postgres(PostgresStore::create(url, folder).await?).into())
    }

    /// Does [`Store::open`] with a database of a PostgreSQL server.
    pub async fn open_postgres(url: &PostgresUrl, folder: &Path) -> Result<Self, OpenError> {
        Self::open_restored_postgres(url, folder).await?.refused_if_restored().await
    }

    /// Does [`Store::open_restored`] with a database of a PostgreSQL server.
    pub async fn open_restored_postgres(
        url: &PostgresUrl,
        folder: &Path,
    ) -> Result<Self, OpenError> {
        Ok(Database::Postgres(PostgresStore::open(url, folder).await?).into())
    }

    async fn refused_if_restored(self) -> Result<Self, OpenError> {
        match self.is_restored().await.map_err(OpenError::Store)? {
            true => Err(OpenError::NotReplayed),
            false => Ok(self),
        }
    }

    /// Checks the database: that all of it can be read, its indexes and references.
    pub async fn integrity(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(store) => store.integrity().await,
            Database::Postgres(store) => store.integrity().await,
        }
    }

    /// Ends all connections.
    pub async fn close(self) {
        match self.database {
            Database::Sqlite(store) => store.close().await,
            Database::Postgres(store) => store.close().await,
        }
    }

    /// The store, if it is in a file.
    pub(crate) const fn sqlite(&self) -> Option<&SqliteStore> {
        match &self.database {
            Database::Sqlite(store) => Some(store),
            Database::Postgres(_) => None,
        }
    }

    /// The folder of the database file, or the one for work on this machine.
    pub(crate) fn folder(&self) -> &Path {
        match &self.database {
            Database::Sqlite(store) => store.folder(),
            Database::Postgres(store) => store.folder(),
        }
    }

    /// Copies all of one moment into a new store in a file.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), BackupError> {
        match &self.database {
            Database::Sqlite(store) => store.copy_to(path).await,
            Database::Postgres(store) => store.copy_to(path).await,
        }
    }

    /// Begins to change a part of the store. What is not committed never happened.
    pub(crate) async fn writer(
        &self,
        part: Part,
        operation: &'static str,
    ) -> Result<Transaction, StoreError> {
        match &self.database {
            Database::Sqlite(store) => Ok(Transaction::Sqlite(store.writer(operation).await?)),
            Database::Postgres(store) => {
                Ok(Transaction::Postgres(store.writer(part, operation).await?))
            }
        }
    }

    /// For statements that change one row alone and return none.
    pub(crate) const fn writers(&self) -> Target<'_> {
        match &self.database {
            Database::Sqlite(store) => Target::SqlitePool(store.writers()),
            Database::Postgres(store) => Target::PostgresPool(store.writers()),
        }
    }

    /// Begins to read one state of the store.
    pub(crate) async fn reader(&self, operation: &'static str) -> Result<Transaction, StoreError> {
        match &self.database {
            Database::Sqlite(store) => Ok(Transaction::Sqlite(store.reader(operation).await?)),
            Database::Postgres(store) => Ok(Transaction::Postgres(store.reader(operation).await?)),
        }
    }

    /// For statements that read alone.
    pub(crate) const fn readers(&self) -> Target<'_> {
        match &self.database {
            Database::Sqlite(store) => Target::SqlitePool(store.readers()),
            Database::Postgres(store) => Target::PostgresPool(store.readers()),
        }
    }

    /// Gives up older states of changed rows.
    ///
    /// In a file nothing is left of them. On a server no statement reaches them any more, unless
    /// it belongs to a transaction that began before; the bytes stay in unused space until it is
    /// written over, in the write-ahead log until it is recycled, and wherever that is archived.
    pub(crate) async fn forget_older_states(&self) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(store) => store.forget_older_states().await,
            Database::Postgres(store) => store.forget_older_states().await,
        }
    }

    /// Runs a statement where it fails if this process has leased `name` and lost the lease.
    pub(crate) async fn execute_leased(
        &self,
        name: &str,
        statement: Statement,
    ) -> Result<u64, sqlx::Error> {
        match &self.database {
            Database::Sqlite(store) => statement.execute(Target::SqlitePool(store.writers())).await,
            Database::Postgres(store) => store.execute_leased(name, statement).await,
        }
    }

    /// Waits for a lease. Names of sources start with a letter, those of others do not.
    pub(crate) async fn lease(&self, name: &str) -> Result<StoreLease, StoreError> {
        match &self.database {
            Database::Sqlite(store) => Ok(StoreLease::File(store.lease(name).await?)),
            Database::Postgres(store) => Ok(StoreLease::Session(store.lease(name).await?)),
        }
    }
}

impl From<Database> for Store {
    fn from(database: Database) -> Self {
        Self { database, snapshots: Arc::default() }
    }
}

#[cfg(test)]
mod tests;
