use custos_audit::AuditStore;
use custos_core::{Classify, ErrorKind};
use custos_ingest::Ledger;

use super::*;
use crate::statement::query;
use crate::testing::{Home, on_both, server};

async fn a_store_is_never_written_over(home: Home) {
    let store = home.create().await;
    let first = store.lease_subjects(1).await.unwrap();
    let error = home.try_create().await.unwrap_err();
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    assert!(home.open().await.lease_subjects(1).await.unwrap() > first);
}

async fn a_store_that_is_missing_is_refused_with_a_remedy(home: Home) {
    let error = home.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("is missing: it was lost or the path is wrong"));
    assert!(error.hint().unwrap().contains("backup"));
    home.create().await;
}

async fn a_store_of_a_newer_version_is_refused(home: Home) {
    let store = home.create().await;
    query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9000, description, success, checksum, execution_time FROM _sqlx_migrations \
         WHERE version = 1",
    )
    .execute(store.writers())
    .await
    .unwrap();
    let error = home.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9000, known: 8 }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

async fn a_reference_that_leads_nowhere_is_noticed(home: Home) {
    let store = home.create().await;
    store.integrity().await.unwrap();
    let dangling = "INSERT INTO tombstone (rid, request, epoch) VALUES (1, 'none', 1)";
    match &home {
        Home::Folder(_) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.path());
            let careless = sqlx::SqlitePool::connect_with(options.foreign_keys(false)).await;
            sqlx::query(dangling).execute(&careless.unwrap()).await.unwrap();
        }
        Home::Database(name, _) => {
            let careless = format!("SET session_replication_role = replica; {dangling}");
            server().sql(name, &careless).unwrap();
        }
    }
    let error = store.integrity().await.unwrap_err();
    assert!(matches!(error, StoreError::Integrity { .. }), "{error:?}");
}

async fn what_is_not_committed_never_happened(home: Home) {
    let store = home.create().await;
    let mut transaction = store.writer(Part::Audit, "testing").await.unwrap();
    for statement in [
        "UPDATE subject_counter SET next = 500",
        "INSERT INTO audit_leaf (seq, leaf) VALUES (0, zeroblob(1))",
    ] {
        query(statement).execute(&mut transaction).await.unwrap();
    }
    drop(transaction);
    for store in [&store, &home.open().await] {
        assert_eq!(AuditStore::len(store).await.unwrap(), 0);
    }
    assert_eq!(store.lease_subjects(1).await.unwrap().get(), 1);
}

async fn readers_cannot_write(home: Home) {
    let store = home.create().await;
    let write = query("UPDATE epoch SET value = 0").execute(store.readers()).await;
    assert!(write.is_err());
}

async fn a_reader_sees_one_state(home: Home) {
    let store = home.create().await;
    let mut reader = store.reader("testing").await.unwrap();
    let next = "SELECT next FROM subject_counter";
    let before: (i64,) = query(next).fetch_one(&mut reader).await.unwrap();
    home.open().await.lease_subjects(10).await.unwrap();
    let after: (i64,) = query(next).fetch_one(&mut reader).await.unwrap();
    assert_eq!(before, after);
}

async fn processes_that_open_at_once_find_one_schema(home: Home) {
    home.create().await;
    let opened = futures::future::join_all((0..8).map(|_| home.try_open())).await;
    for store in opened {
        store.unwrap().integrity().await.unwrap();
    }
}

/// Statements are shared, so tables must be, but those about snapshots, which only files have, and
/// about leases, which only servers have.
#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let (folder, database) = (Home::folder(), Home::database());
    let sqlite: Vec<(String, String)> = query(
        "SELECT tables.name, columns.name FROM sqlite_schema tables, \
         pragma_table_info(tables.name) columns WHERE tables.type IN ('table', 'view') \
         AND tables.name NOT IN ('change', 'snapshot_chain', 'sqlite_sequence') \
         ORDER BY 1, 2",
    )
    .fetch_all(folder.create().await.readers())
    .await
    .unwrap();
    let postgres: Vec<(String, String)> = query(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name <> 'lease' \
         ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"",
    )
    .fetch_all(database.create().await.readers())
    .await
    .unwrap();
    assert_eq!(sqlite, postgres);
}

on_both! {
    a_store_is_never_written_over,
    a_store_that_is_missing_is_refused_with_a_remedy,
    a_store_of_a_newer_version_is_refused,
    a_reference_that_leads_nowhere_is_noticed,
    what_is_not_committed_never_happened,
    readers_cannot_write,
    a_reader_sees_one_state,
    processes_that_open_at_once_find_one_schema,
}
