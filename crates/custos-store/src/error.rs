//! Why the control store cannot be opened, and what the driver's errors mean.

use std::io;

use custos_core::{Classify, ErrorKind, StoreError};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// Why there is no open control store. A `place` is a path, or a URL without user and password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no file, or the database holds nothing.
    #[error(
        "the control store `{place}` is missing: it was lost or the path is wrong; \
         without it nothing in the lake can be opened"
    )]
    Missing {
        /// Where it should be.
        place: String,
    },
    /// There is something where a new store was to be created.
    #[error("there is a control store or a file `{place}` already: it is never written over")]
    Exists {
        /// Where it is.
        place: String,
    },
    /// The database in which a new store was to be created holds something else.
    #[error("the database `{place}` holds tables already: a control store has one to itself")]
    Occupied {
        /// Where it is.
        place: String,
    },
    /// What is there is not a database, is damaged, or belongs to another program.
    #[error("`{place}` is not a control store, or it is damaged")]
    NotAStore {
        /// Where it is.
        place: String,
    },
    /// The server of the database did not let us in.
    #[error("the control store `{place}` cannot be reached: {problem}")]
    Unreachable {
        /// Where it should be.
        place: String,
        /// What is in the way.
        problem: Unreachable,
    },
    /// The database cannot keep what a control store promises.
    #[error("the database `{place}` cannot hold a control store: {lack}")]
    Unsuitable {
        /// Where it is.
        place: String,
        /// What it lacks.
        lack: &'static str,
    },
    /// A newer version of Custos wrote it.
    #[error("the control store has schema version {found}, this version of custos knows {known}")]
    Newer {
        /// The version of the store.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// It could not be brought to the schema of this version.
    #[error("the schema of the control store cannot be brought up to date")]
    Migration(#[source] MigrateError),
    /// It is a restored copy, and people who were erased since are still in it.
    #[error(
        "the control store was restored from a backup, and the erasures that came after it are \
         not done again yet"
    )]
    NotReplayed,
    /// Its folder or file could not be made.
    #[error("the folder of the control store cannot be used")]
    Folder(#[source] io::Error),
    /// The database did not answer.
    #[error(transparent)]
    Store(StoreError),
}

/// What keeps us from a database server. The driver's own words are left out, since they can hold
/// parts of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Nothing listens there, or the way to it is barred.
    #[error("no server answers there")]
    Nobody,
    /// It answered not in time, or not as a server of PostgreSQL does.
    #[error("the server does not answer in time or in order")]
    Silent,
    /// The user is not known, the password is wrong or missing, or the server admits nobody so.
    #[error("the server rejects user or password")]
    Rejected,
    /// The server has no such database.
    #[error("the server has no such database")]
    NoDatabase,
    /// The server has no more connections to give.
    #[error("the server has no connection left")]
    Full,
    /// The server offers no TLS, or its certificate is not that of a trusted server of this name.
    #[error("no safe connection: the server offers no TLS or its certificate is not trusted")]
    Insecure,
}

impl Unreachable {
    const fn hint(self) -> &'static str {
        match self {
            Self::Nobody => "check host and port, and that the server runs",
            Self::Silent => "check host and port, and the log of the server",
            Self::Rejected => "check user and password; PGPASSWORD may hold the password",
            Self::NoDatabase => "make it with `createdb`, or correct the name",
            Self::Full => "raise `max_connections`; every lease that is held takes one",
            Self::Insecure => {
                "name the authority with sslrootcert=FILE; sslmode=disable only where nobody else \
                 can listen"
            }
        }
    }
}

impl Classify for OpenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Exists { .. } | Self::Occupied { .. } | Self::NotReplayed => ErrorKind::Conflict,
            Self::NotAStore { .. } | Self::Migration(_) => ErrorKind::Integrity,
            Self::Newer { .. } | Self::Unsuitable { .. } => ErrorKind::Unsupported,
            Self::Unreachable { problem: Unreachable::Rejected, .. } => ErrorKind::Unauthenticated,
            Self::Folder(_) | Self::Unreachable { .. } => ErrorKind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "restore it from a backup, or correct the path or URL",
            Self::Exists { .. } => "open it, or choose another folder or database",
            Self::Occupied { .. } => "make a database for it with `createdb`",
            Self::NotAStore { .. } => {
                "restore it from a backup; after an interrupted `custos init`, remove it and repeat"
            }
            Self::Unreachable { problem, .. } => problem.hint(),
            Self::Unsuitable { .. } => {
                "use PostgreSQL 14 or later and a role that owns the database: \
                 `createdb --owner ROLE --template template0 --encoding UTF8 NAME`"
            }
            Self::Newer { .. } => "use the version of custos that wrote it, or a later one",
            Self::NotReplayed => {
                "run `custos restore --replay`: it does again what the lake's record of erasures says"
            }
            Self::Migration(_) => "restore it from a backup, or use the version that wrote it",
            Self::Folder(_) => "check that its folder exists and may be written",
            Self::Store(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// Says what a failure of the driver means to those who called for `operation`.
pub(crate) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| match cause(&source) {
        Cause::Constraint => StoreError::Conflict { operation },
        Cause::Damage => StoreError::Integrity { what: "the database is damaged".to_owned() },
        Cause::Value => StoreError::Integrity { what: "a value has the wrong type".to_owned() },
        Cause::Driver => StoreError::Unavailable { operation, source: without_values(source) },
    }
}

/// Whether the file is no database, or a damaged one.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(cause(error), Cause::Damage)
}

enum Cause {
    /// The change contradicts what is stored: a key is taken, or what it refers to is not there.
    Constraint,
    Damage,
    Value,
    Driver,
}

fn cause(error: &sqlx::Error) -> Cause {
    match error {
        sqlx::Error::Database(error) if is_constraint(&**error) => Cause::Constraint,
        sqlx::Error::Database(error) if says_damage(&**error) => Cause::Damage,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Cause::Value,
        _ => Cause::Driver,
    }
}

fn is_constraint(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.is_unique_violation() || error.is_foreign_key_violation()
}

/// Whether a lock was not given in time.
pub(crate) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// `data_corrupted`, `index_corrupted` and what a server finds it should never find; in SQLite
/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`, where the low byte of a code is its cause.
fn says_damage(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return code.is_some_and(|code| code.starts_with("XX"));
    }
    let code = code.and_then(|code| code.parse::<i32>().ok());
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}

/// A server's own words can quote the row at which a statement failed.
fn without_values(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) {
        Some(refusal) => format!("the server answers with SQLSTATE {}", refusal.code()).into(),
        None => Box::new(error),
    }
}
