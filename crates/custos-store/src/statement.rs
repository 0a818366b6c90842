//! Statements that both databases understand: one text for both, with parameters `$1`, `$2`, ….
//!
//! What PostgreSQL lacks of the functions named in our texts, its first migration defines.

use futures::stream::{self, BoxStream, StreamExt};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, Postgres, Sqlite, Type};

/// A statement and its parameters. As they may be personal, it has no `Debug`.
#[must_use = "a statement that is not run changes nothing"]
pub(crate) struct Statement {
    text: &'static str,
    values: Vec<Value>,
}

/// A parameter. Its variants are the types that columns have.
pub(crate) enum Value {
    Integer(Option<i64>),
    Flag(bool),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

/// Where a statement runs: in a transaction, or alone on a connection of a pool.
pub(crate) enum Target<'c> {
    SqlitePool(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PostgresPool(&'c PgPool),
    Postgres(&'c mut PgConnection),
}

/// A transaction of either database. What is not committed never happened.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// What rows of both databases can be read as, such as a tuple.
pub(crate) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static
{
}

impl<T> Record for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static
{
}

/// A statement without parameters as yet.
pub(crate) const fn query(text: &'static str) -> Statement {
    Statement { text, values: Vec::new() }
}

/// Prepares the statement for the database of the target and hands both to `$run`.
macro_rules! on_target {
    ($statement:expr, $target:expr, $prepare:path, |$query:ident, $executor:ident| $run:expr) => {
        match $target {
            Target::SqlitePool($executor) => {
                let $query = $prepare($statement.text, sqlite_arguments($statement.values)?);
                $run
            }
            Target::Sqlite($executor) => {
                let $query = $prepare($statement.text, sqlite_arguments($statement.values)?);
                $run
            }
            Target::PostgresPool($executor) => {
                let $query = $prepare($statement.text, postgres_arguments($statement.values)?);
                $run
            }
            Target::Postgres($executor) => {
                let $query = $prepare($statement.text, postgres_arguments($statement.values)?);
                $run
            }
        }
    };
}

impl Statement {
    /// Adds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and returns how many rows it changed.
    pub(crate) async fn execute(self, on: impl Into<Target<'_>>) -> Result<u64, sqlx::Error> {
        let target = on.into();
        Ok(on_target!(self, target, sqlx::query_with, |query, executor| {
            query.execute(executor).await?.rows_affected()
        }))
    }

    pub(crate) async fn fetch_all<R: Record>(
        self,
        on: impl Into<Target<'_>>,
    ) -> Result<Vec<R>, sqlx::Error> {
        let target = on.into();
        on_target!(self, target, sqlx::query_as_with, |query, executor| {
            query.fetch_all(executor).await
        })
    }

    pub(crate) async fn fetch_optional<R: Record>(
        self,
        on: impl Into<Target<'_>>,
    ) -> Result<Option<R>, sqlx::Error> {
        let target = on.into();
        on_target!(self, target, sqlx::query_as_with, |query, executor| {
            query.fetch_optional(executor).await
        })
    }

    pub(crate) async fn fetch_one<R: Record>(
        self,
        on: impl Into<Target<'_>>,
    ) -> Result<R, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The rows one by one, for more than fit into memory twice.
    pub(crate) fn fetch<'c, R: Record>(
        self,
        on: impl Into<Target<'c>>,
    ) -> BoxStream<'c, Result<R, sqlx::Error>> {
        let rows = || -> Result<BoxStream<'c, Result<R, sqlx::Error>>, sqlx::Error> {
            let target = on.into();
            Ok(on_target!(self, target, sqlx::query_as_with, |query, executor| {
                query.fetch(executor)
            }))
        };
        rows().unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
    }
}

impl Transaction {
    /// Makes what was done durable.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

impl<'c> From<&'c mut Transaction> for Target<'c> {
    fn from(transaction: &'c mut Transaction) -> Self {
        match transaction {
            Transaction::Sqlite(transaction) => Self::Sqlite(transaction),
            Transaction::Postgres(transaction) => Self::Postgres(transaction),
        }
    }
}

pub(crate) fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    arguments(values).map_err(sqlx::Error::Encode)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    arguments(values).map_err(sqlx::Error::Encode)
}

fn arguments<A>(values: Vec<Value>) -> Result<A, BoxDynError>
where
    A: Arguments,
    Option<i64>: Encode<'static, A::Database> + Type<A::Database>,
    bool: Encode<'static, A::Database> + Type<A::Database>,
    Option<String>: Encode<'static, A::Database> + Type<A::Database>,
    Vec<u8>: Encode<'static, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        match value {
            Value::Integer(number) => arguments.add(number)?,
            Value::Flag(flag) => arguments.add(flag)?,
            Value::Text(text) => arguments.add(text)?,
            Value::Bytes(bytes) => arguments.add(bytes)?,
        }
    }
    Ok(arguments)
}

macro_rules! value_from {
    ($($type:ty => |$value:ident| $made:expr),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

value_from! {
    i64 => |number| Self::Integer(Some(number)),
    Option<i64> => |number| Self::Integer(number),
    u32 => |number| Self::Integer(Some(i64::from(number))),
    bool => |flag| Self::Flag(flag),
    String => |text| Self::Text(Some(text)),
    Option<String> => |text| Self::Text(text),
    &str => |text| Self::Text(Some(text.to_owned())),
    Option<&str> => |text| Self::Text(text.map(str::to_owned)),
    Vec<u8> => |bytes| Self::Bytes(bytes),
    &[u8] => |bytes| Self::Bytes(bytes.to_vec()),
}
