//! Reaching a server, and finding out whether its database is a control store.

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use super::url::PostgresUrl;
use super::{PostgresStore, WRITER_SETTINGS, take_turn};
use crate::error::{OpenError, Unreachable, failed};
use crate::store::{Part, migrations};

/// The migrations, which never change once they were in a release.
const MIGRATIONS: [&str; 8] = [
    include_str!("../../../migrations/postgres/0001_control_store.sql"),
    include_str!("../../../migrations/postgres/0002_table_head.sql"),
    include_str!("../../../migrations/postgres/0003_keys_and_erasures.sql"),
    include_str!("../../../migrations/postgres/0004_exports.sql"),
    include_str!("../../../migrations/postgres/0005_snapshots.sql"),
    include_str!("../../../migrations/postgres/0006_policies.sql"),
    include_str!("../../../migrations/postgres/0007_logins.sql"),
    include_str!("../../../migrations/postgres/0008_ages.sql"),
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of sessions and the statement that turns off parallel checks are of this version.
const SERVER_VERSION_MIN: i64 = 140_000;

const LOOK: &str = "\
    SELECT current_setting('server_version_num')::bigint, \
           current_setting('server_encoding') = 'UTF8', \
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), \
           EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema()), \
           to_regclass('_sqlx_migrations') IS NOT NULL \
               AND to_regclass('destroyed_owner') IS NOT NULL, \
           EXISTS (SELECT 1 FROM pg_class WHERE oid = to_regclass('secret') \
                   AND NOT pg_has_role(relowner, 'USAGE'))";

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    Nothing,
    Store,
    Other,
}

impl PostgresStore {
    pub(crate) async fn create(url: &PostgresUrl, folder: &Path) -> Result<Self, OpenError> {
        prepare(url, folder, |contents, place| match contents {
            Contents::Nothing => Ok(()),
            Contents::Store => Err(OpenError::Exists { place }),
            Contents::Other => Err(OpenError::Occupied { place }),
        })
        .await
    }

    pub(crate) async fn open(url: &PostgresUrl, folder: &Path) -> Result<Self, OpenError> {
        prepare(url, folder, |contents, place| match contents {
            Contents::Store => Ok(()),
            Contents::Nothing => Err(OpenError::Missing { place }),
            Contents::Other => Err(OpenError::NotAStore { place }),
        })
        .await
    }
}

/// Looks at the database and brings its schema up to date, as one step of which a crash leaves
/// nothing, on a connection of its own, whose errors are not hidden by a pool that tries again.
async fn prepare(
    url: &PostgresUrl,
    folder: &Path,
    accept: impl FnOnce(Contents, String) -> Result<(), OpenError> + Send,
) -> Result<PostgresStore, OpenError> {
    let place = || url.place().to_owned();
    let mut connection = connect(&url.options())
        .await
        .map_err(|problem| OpenError::Unreachable { place: place(), problem })?;
    let failed = |error| OpenError::Store(failed("updating the schema")(error));
    connection.execute(WRITER_SETTINGS).await.map_err(failed)?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    take_turn(&mut transaction, Part::Schema).await.map_err(failed)?;
    accept(look(&mut transaction, url).await?, place())?;
    migrations::run(&MIGRATIONS, &mut *transaction).await?;
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(PostgresStore::over(url, folder))
}

async fn look(connection: &mut PgConnection, url: &PostgresUrl) -> Result<Contents, OpenError> {
    let (version, is_utf8, may_create, has_tables, is_store, is_of_others): (
        i64,
        bool,
        bool,
        bool,
        bool,
        bool,
    ) = sqlx::query_as(LOOK)
        .fetch_one(connection)
        .await
        .map_err(|error| OpenError::Store(failed("looking at the database")(error)))?;
    let lacks = [
        (version < SERVER_VERSION_MIN, "the server is older than PostgreSQL 14"),
        (!is_utf8, "its encoding is not UTF8"),
        (!may_create, "the role may not create tables in it"),
        (is_of_others, "its tables belong to another role"),
    ];
    if let Some((_, lack)) = lacks.into_iter().find(|(is_so, _)| *is_so) {
        return Err(OpenError::Unsuitable { place: url.place().to_owned(), lack });
    }
    Ok(match (has_tables, is_store) {
        (false, _) => Contents::Nothing,
        (true, true) => Contents::Store,
        (true, false) => Contents::Other,
    })
}

/// Connects once, within a limit of time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Unreachable> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(problem(&error)),
        Err(_) => Err(Unreachable::Silent),
    }
}

fn problem(error: &sqlx::Error) -> Unreachable {
    match error {
        sqlx::Error::Tls(_) => Unreachable::Insecure,
        // What rustls finds wrong with a certificate comes as an error of the stream.
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Unreachable::Insecure
        }
        sqlx::Error::Io(_) => Unreachable::Nobody,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("3D000") => Unreachable::NoDatabase,
            Some(code) if code.starts_with("28") => Unreachable::Rejected,
            Some("53300") => Unreachable::Full,
            _ => Unreachable::Silent,
        },
        _ => Unreachable::Silent,
    }
}
