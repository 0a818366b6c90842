//! A control store on a PostgreSQL server, for several nodes.
//!
//! Transactions read committed rows only; those that write take their part of the store first
//! ([`Part`]), so that the server never has a reason to refuse one that must be repeated.

mod lease;
mod open;
mod snapshot;
mod url;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use custos_core::StoreError;
use futures::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, Postgres, Transaction};
use tokio::sync::Mutex;

use super::Part;
use crate::BackupError;
use crate::column::integrity;
use crate::error::failed;
use crate::statement::{Statement, Target};
use lease::LEASE_TIMEOUT;

pub(crate) use lease::SessionLease;
pub use url::{PostgresUrl, PostgresUrlError};

/// How long a statement waits for a connection of its pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long destroying waits for those who may still read what is destroyed.
const READERS_TIMEOUT: Duration = Duration::from_secs(1);

const READERS_PAUSE: Duration = Duration::from_millis(5);

const WRITERS_MAX: u32 = 4;

const READERS_MAX: u32 = 4;

/// These hold whatever the server's defaults are: who stops in the middle of a transaction does
/// not keep others waiting for ever, and what was committed is durable.
const WRITER_SETTINGS: &str = "\
    SET default_transaction_isolation = 'read committed'; \
    SET default_transaction_read_only = off; \
    SET lock_timeout = '30s'; \
    SET idle_in_transaction_session_timeout = '60s'; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'";

const READER_SETTINGS: &str = "\
    SET default_transaction_isolation = 'repeatable read'; \
    SET default_transaction_read_only = on; \
    SET idle_in_transaction_session_timeout = '60s'";

/// "CUSW": the first number of the advisory locks of writers; the second is the part.
const WRITER_LOCKS: i32 = 0x4355_5357;

/// The tables of which rows are destroyed.
const FORGET: &str = "VACUUM (TRUNCATE FALSE) secret, consent_event, subject_age";

/// The number of the next transaction.
const NOW: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text";

const OLDER_READ: &str = "\
    SELECT EXISTS (SELECT 1 FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid() \
                     AND backend_type = 'client backend' \
                     AND age(backend_xmin) > age($1::text::xid))";

const TABLES: &str = "\
    SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1";

const BROKEN_INDEX: &str = "\
    SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indrelid \
    WHERE relnamespace = current_schema()::regnamespace AND NOT indisvalid LIMIT 1";

const DANGLING_REFERENCE: &str = "\
    SELECT 1 FROM (SELECT request FROM tombstone UNION ALL SELECT request FROM suppression) named \
    WHERE NOT EXISTS (SELECT 1 FROM request WHERE request.id = named.request) LIMIT 1";

/// A control store on a server.
#[derive(Clone)]
pub(crate) struct PostgresStore {
    url: PostgresUrl,
    folder: PathBuf,
    writers: PgPool,
    readers: PgPool,
    /// Of the leases that this process holds, by name.
    sessions: Arc<Mutex<HashMap<String, Weak<Mutex<PgConnection>>>>>,
}

/// Connections know the password.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("url", &self.url).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A store whose connections are made when they are needed.
    fn over(url: &PostgresUrl, folder: &Path) -> Self {
        let pool = || PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let writers = pool()
            .max_connections(WRITERS_MAX)
            .after_connect(|connection, _| set(connection, WRITER_SETTINGS))
            .connect_lazy_with(url.options());
        let readers = pool()
            .max_connections(READERS_MAX)
            .after_connect(|connection, _| set(connection, READER_SETTINGS))
            .connect_lazy_with(url.options());
        let folder = folder.to_owned();
        Self { url: url.clone(), folder, writers, readers, sessions: Arc::default() }
    }

    /// Checks that every row can be read, that indexes are whole and references lead somewhere.
    pub(crate) async fn integrity(&self) -> Result<(), StoreError> {
        let operation = "checking the integrity";
        let mut reader = self.reader(operation).await?;
        let tables: Vec<String> =
            sqlx::query_scalar(TABLES).fetch_all(&mut *reader).await.map_err(failed(operation))?;
        for table in tables {
            // The server has quoted the name.
            let read_all = format!("SELECT sum(length(whole::text)) FROM {table} whole");
            reader.execute(AssertSqlSafe(read_all)).await.map_err(failed(operation))?;
        }
        for (broken, what) in [
            (BROKEN_INDEX, "an index of the database is damaged"),
            (DANGLING_REFERENCE, "a reference leads nowhere"),
        ] {
            let found = sqlx::query(broken).fetch_optional(&mut *reader).await;
            if found.map_err(failed(operation))?.is_some() {
                return Err(integrity(what));
            }
        }
        Ok(())
    }

    /// Waits for those who write to this part, then begins.
    pub(crate) async fn writer(
        &self,
        part: Part,
        operation: &'static str,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.writers.begin().await.map_err(failed(operation))?;
        take_turn(&mut transaction, part).await.map_err(failed(operation))?;
        Ok(transaction)
    }

    pub(crate) const fn writers(&self) -> &PgPool {
        &self.writers
    }

    pub(crate) async fn reader(
        &self,
        operation: &'static str,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.readers.begin().await.map_err(failed(operation))
    }

    pub(crate) const fn readers(&self) -> &PgPool {
        &self.readers
    }

    /// Vacuums what was destroyed, once those are done who may still read it; but somebody who reads
    /// for long, as a backup does, keeps nobody waiting.
    pub(crate) async fn forget_older_states(&self) -> Result<(), StoreError> {
        let failed = |error| failed("vacuuming what was destroyed")(error);
        let now: String = sqlx::query_scalar(NOW).fetch_one(&self.writers).await.map_err(failed)?;
        let deadline = Instant::now() + READERS_TIMEOUT;
        while self.is_older_read(&now).await.map_err(failed)? && Instant::now() < deadline {
            // Nothing tells when the snapshot of another session ends.
            tokio::time::sleep(READERS_PAUSE).await;
        }
        self.writers.execute(FORGET).await.map_err(failed)?;
        Ok(())
    }

    /// Whether somebody reads a state from before transaction `now`.
    async fn is_older_read(&self, now: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(OLDER_READ).bind(now).fetch_one(&self.writers).await
    }

    /// Ends all connections but those of leases.
    pub(crate) async fn close(self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Copies all of one moment into a new store in a file.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), BackupError> {
        let mut reader = self.reader("copying it").await?;
        snapshot::copy(&mut reader, path).await
    }

    /// Waits for a lease.
    pub(crate) async fn lease(&self, name: &str) -> Result<SessionLease, StoreError> {
        let lease = SessionLease::take(&self.url, name, LEASE_TIMEOUT).await?;
        self.sessions.lock().await.insert(name.to_owned(), lease.session());
        Ok(lease)
    }

    /// Runs a statement on the session that holds the lease: it commits while the lease is held,
    /// or fails.
    pub(crate) async fn execute_leased(
        &self,
        name: &str,
        statement: Statement,
    ) -> Result<u64, sqlx::Error> {
        let session = self.sessions.lock().await.get(name).and_then(Weak::upgrade);
        match session {
            Some(session) => statement.execute(Target::Postgres(&mut *session.lock().await)).await,
            None => statement.execute(Target::PostgresPool(&self.writers)).await,
        }
    }
}

fn set<'c>(
    connection: &'c mut PgConnection,
    settings: &'static str,
) -> BoxFuture<'c, Result<(), sqlx::Error>> {
    Box::pin(async move { connection.execute(settings).await.map(|_| ()) })
}

/// Until the transaction ends. Its later statements see all that was written in earlier turns.
async fn take_turn(connection: &mut PgConnection, part: Part) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind(WRITER_LOCKS)
        .bind(part as i32)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
