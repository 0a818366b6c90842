//! Why the control store cannot be opened, and what the driver's errors mean.

use std::io;
use std::path::PathBuf;

use custos_core::{Classify, ErrorKind, StoreError};
use sqlx::migrate::MigrateError;

/// Why there is no open control store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no file.
    #[error(
        "the control store `{path}` is missing: it was lost or the path is wrong; \
         without it nothing in the lake can be opened"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is a file where a new store was to be created.
    #[error("there is a file `{path}` already: a control store is never written over")]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// The file is not a database, is damaged, or belongs to another program.
    #[error("`{path}` is not a control store, or it is damaged")]
    NotAStore {
        /// Where it is.
        path: PathBuf,
    },
    /// A newer version of Custos wrote it.
    #[error("the control store has schema version {found}, this version of custos knows {known}")]
    Newer {
        /// The version of the file.
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

impl Classify for OpenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Exists { .. } | Self::NotReplayed => ErrorKind::Conflict,
            Self::NotAStore { .. } | Self::Migration(_) => ErrorKind::Integrity,
            Self::Newer { .. } => ErrorKind::Unsupported,
            Self::Folder(_) => ErrorKind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "restore it from a backup, or correct the path",
            Self::Exists { .. } => "open it, or choose another folder",
            Self::NotAStore { .. } => {
                "restore it from a backup; after an interrupted `custos init`, remove it and repeat"
            }
            Self::Newer { .. } => "use the version of custos that wrote it, or a later one",
            Self::NotReplayed => {
                "run `custos restore --replay`: it does again what the lake's record of erasures says"
            }
            Self::Migration(_) => "restore it from a backup, or use the version that wrote it",
            Self::Folder(_) => "check that its folder exists and may be written",
            Self::Store(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Says what a failure of the driver means to those who called for `operation`.
pub(crate) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| match cause(&source) {
        Cause::Constraint => StoreError::Conflict { operation },
        Cause::Damage => StoreError::Integrity { what: "the database file is damaged".to_owned() },
        Cause::Value => StoreError::Integrity { what: "a value has the wrong type".to_owned() },
        Cause::Driver => StoreError::Unavailable { operation, source: Box::new(source) },
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

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`; the low byte of a code is its cause.
fn says_damage(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}
