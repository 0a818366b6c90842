//! Leases as advisory locks of a session.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use custos_core::StoreError;
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

use super::open::connect;
use super::{PostgresUrl, WRITER_SETTINGS};
use crate::error::{failed, is_lock_timeout};

/// How long somebody waits for a lease: longer than most loads take.
pub(super) const LEASE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long the server may take to say that a lease is still held.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// "CUST": the first number of the advisory locks of leases; the second is that of the name.
const LEASE_LOCKS: i32 = 0x4355_5354;

const TAKING: &str = "taking a lease";

const KEEPING: &str = "keeping a lease, whose connection was lost";

/// A server that ends what is idle or waits would end the lease; one that cannot reach the process
/// for about a minute is to do so.
const SETTINGS: &str = "\
    SELECT set_config('idle_session_timeout', '0', false), \
           set_config('tcp_keepalives_idle', '30', false), \
           set_config('tcp_keepalives_interval', '10', false), \
           set_config('tcp_keepalives_count', '3', false), \
           set_config('statement_timeout', '0', false), \
           set_config('lock_timeout', $1, false)";

const HOLDER: &str = "\
    SELECT application_name || coalesce(' on ' || host(client_addr), '') \
           || to_char(backend_start AT TIME ZONE 'UTC', '\" since \"YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    FROM pg_locks JOIN pg_stat_activity USING (pid) \
    WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND classid::bigint = $1 AND objid::bigint = $2";

const STILL_HELD: &str = "\
    SELECT count(*) FROM pg_locks \
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()";

/// A lock of the server that ends with the session, hence with the process or its connection.
pub(crate) struct SessionLease {
    name: String,
    session: Arc<Mutex<PgConnection>>,
}

impl fmt::Debug for SessionLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionLease").field(&self.name).finish()
    }
}

impl SessionLease {
    /// Fails if the session lost the lock.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let mut session = self.session.lock().await;
        let held = sqlx::query_scalar(STILL_HELD).fetch_one(&mut *session);
        let held: i64 = match tokio::time::timeout(CHECK_TIMEOUT, held).await {
            Ok(held) => held.map_err(failed(KEEPING))?,
            Err(elapsed) => return Err(lost(elapsed)),
        };
        // Something between here and the server may have put another session in the place of ours.
        if held == 1 { Ok(()) } else { Err(lost("the session does not hold it")) }
    }

    /// Waits for the lease `name`, on a connection that is its own.
    pub(super) async fn take(
        url: &PostgresUrl,
        name: &str,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let who = format!("custos process {}", std::process::id());
        let mut session =
            connect(&url.options().application_name(&who)).await.map_err(|problem| {
                StoreError::Unavailable { operation: TAKING, source: Box::new(problem) }
            })?;
        session.execute(WRITER_SETTINGS).await.map_err(failed(TAKING))?;
        sqlx::query(SETTINGS)
            .bind(patience.as_millis().to_string())
            .execute(&mut session)
            .await
            .map_err(failed(TAKING))?;
        let number = number(&mut session, name).await.map_err(failed(TAKING))?;
        let locked = sqlx::query("SELECT pg_advisory_lock($1, $2)")
            .bind(LEASE_LOCKS)
            .bind(number)
            .execute(&mut session)
            .await;
        match locked {
            Ok(_) => {}
            Err(error) if is_lock_timeout(&error) => {
                return Err(held(&mut session, name, number).await?);
            }
            Err(error) => return Err(failed(TAKING)(error)),
        }
        let lease = Self { name: name.to_owned(), session: Arc::new(Mutex::new(session)) };
        lease.check().await?;
        Ok(lease)
    }

    /// The session, for statements that must not be run without the lease.
    pub(super) fn session(&self) -> Weak<Mutex<PgConnection>> {
        Arc::downgrade(&self.session)
    }
}

/// The number of a name, the same for every session and of no other name.
async fn number(session: &mut PgConnection, name: &str) -> Result<i32, sqlx::Error> {
    sqlx::query(
        "INSERT INTO lease (name) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM lease WHERE name = $1) \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .execute(&mut *session)
    .await?;
    sqlx::query_scalar("SELECT id FROM lease WHERE name = $1").bind(name).fetch_one(session).await
}

/// Says who holds the lease.
async fn held(
    session: &mut PgConnection,
    name: &str,
    number: i32,
) -> Result<StoreError, StoreError> {
    let holder: Option<String> = sqlx::query_scalar(HOLDER)
        .bind(i64::from(LEASE_LOCKS))
        .bind(i64::from(number))
        .fetch_optional(session)
        .await
        .map_err(failed(TAKING))?;
    let holder = holder.unwrap_or_else(|| "somebody who just ended".to_owned());
    Ok(StoreError::Held { lease: name.to_owned(), holder })
}

fn lost(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable { operation: KEEPING, source: why.into() }
}
