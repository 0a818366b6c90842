//! Bringing the schema of a database up to that of this program, forward only.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::OpenError;

/// Applies what is missing of `texts`, which are versions 1, 2, ….
///
/// Belongs into a transaction that no other process can enter, so that one migrates and a crash
/// changes nothing.
pub(super) async fn run<C: Migrate>(
    texts: &[&'static str],
    connection: &mut C,
) -> Result<(), OpenError> {
    let known = version(texts.len());
    let mut migrator = Migrator::with_migrations(migrations(texts));
    migrator.set_locking(false);
    let migrated = migrator.run_direct(None, connection, false).await;
    migrated.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::Newer { found, known },
        error => OpenError::Migration(error),
    })
}

fn migrations(texts: &[&'static str]) -> Vec<Migration> {
    let migration = |(index, text): (usize, &&'static str)| {
        let text = text.into_sql_str();
        Migration::new(version(index + 1), "".into(), MigrationType::Simple, text, false)
    };
    texts.iter().enumerate().map(migration).collect()
}

fn version(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
