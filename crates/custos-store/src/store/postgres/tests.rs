use custos_core::{Classify, ErrorKind};
use custos_ingest::Ledger;
use custos_testkit::PostgresServer;

use super::*;
use crate::testing::{Home, server};
use crate::{OpenError, Store, Unreachable};

const SOON: Duration = Duration::from_millis(200);

async fn store(home: &Home) -> PostgresStore {
    drop(home.create().await);
    PostgresStore::open(&home.url(), &home.control()).await.unwrap()
}

fn name(home: &Home) -> &str {
    match home {
        Home::Database(name, _) => name,
        Home::Folder(_) => panic!("a folder has no name"),
    }
}

async fn refused(url: &str) -> OpenError {
    Store::open_postgres(&url.parse().unwrap(), Path::new("unused")).await.unwrap_err()
}

fn problem(error: &OpenError) -> Option<Unreachable> {
    match error {
        OpenError::Unreachable { problem, .. } => Some(*problem),
        _ => None,
    }
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_told_with_a_remedy_and_without_the_password() {
    let home = Home::database();
    let url = server().url(name(&home));
    let wrong = url.replace(PostgresServer::PASSWORD, "canary-wrong-7f3a");
    for (url, expected, kind) in [
        (wrong, Unreachable::Rejected, ErrorKind::Unauthenticated),
        (server().url("nowhere"), Unreachable::NoDatabase, ErrorKind::Unavailable),
        (format!("{url}-not"), Unreachable::Nobody, ErrorKind::Unavailable),
    ] {
        let error = refused(&url).await;
        assert_eq!((problem(&error), error.kind()), (Some(expected), kind));
        let told = format!("{error} {error:?} {}", error.hint().unwrap());
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused_until_its_authority_is_named() {
    let home = Home::database();
    let user = format!("postgres://{}:{}@", PostgresServer::USER, PostgresServer::PASSWORD);
    let url = server().tcp_url(name(&home)).replace("postgres://", &user);
    let strict = format!("{url}?sslmode=verify-full");
    assert_eq!(problem(&refused(&strict).await), Some(Unreachable::Insecure));
    let trusted = format!("{strict}&sslrootcert={}", server().certificate().display());
    let other_name = trusted.replace("@localhost", "@127.0.0.1");
    assert_eq!(problem(&refused(&other_name).await), Some(Unreachable::Insecure));
    let store =
        Store::create_postgres(&trusted.parse().unwrap(), Path::new("unused")).await.unwrap();
    let encrypted: Vec<(bool,)> =
        crate::statement::query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_all(store.readers())
            .await
            .unwrap();
    assert_eq!(encrypted, [(true,)]);
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let home = Home::database();
    server().sql(name(&home), "CREATE TABLE theirs (x int)").unwrap();
    let error = home.try_create().await.unwrap_err();
    assert!(matches!(error, OpenError::Occupied { .. }), "{error:?}");
    let error = home.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
    let tables = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server().sql(name(&home), tables).unwrap(), "theirs");
}

#[tokio::test]
async fn a_database_that_cannot_keep_the_promises_is_refused() {
    let latin = "latin_database";
    let create = format!("CREATE DATABASE {latin} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
    server().sql("postgres", &create).unwrap();
    let url = server().url(latin).parse().unwrap();
    let error = Store::create_postgres(&url, Path::new("unused")).await.unwrap_err();
    assert!(matches!(error, OpenError::Unsuitable { .. }), "{error:?}");
    let home = Home::database();
    drop(home.create().await);
    // Only owners may vacuum.
    server().sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'reader'").unwrap();
    server().sql(name(&home), "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader; GRANT ALL ON SCHEMA public TO reader").unwrap();
    let own = format!("{}:{}@", PostgresServer::USER, PostgresServer::PASSWORD);
    let error = refused(&server().url(name(&home)).replace(&own, "reader:reader@")).await;
    assert!(error.to_string().contains("belong to another role"), "{error:?}");
}

#[tokio::test]
async fn who_waits_too_long_for_a_lease_is_told_who_holds_it() {
    let home = Home::database();
    let store = store(&home).await;
    let _held = store.lease("pos").await.unwrap();
    let error = SessionLease::take(&store.url, "pos", SOON).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let told = error.to_string();
    let holder = format!("the lease `pos` is held by custos process {} ", std::process::id());
    assert!(told.starts_with(&holder) && told.contains(" since 20"), "{told}");
    SessionLease::take(&store.url, "crm", SOON).await.unwrap();
}

#[tokio::test]
async fn a_lease_ends_with_its_connection_and_nothing_is_stored_under_it_any_more() {
    let home = Home::database();
    let store = home.create().await;
    let source = "pos".parse().unwrap();
    let lease = store.lease_source(&source).await.unwrap();
    let batch = crate::ledger::tests::batch(1, "pos", custos_ingest::BatchState::Journaled);
    store.put_batch(&batch).await.unwrap();
    lease.check().await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
               WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(server().sql(name(&home), end).unwrap(), "1");
    let next = home.open().await.lease_source(&source).await.unwrap();
    assert_eq!(lease.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let late = crate::ledger::tests::batch(2, "pos", custos_ingest::BatchState::Planned);
    store.put_batch(&late).await.unwrap_err();
    assert_eq!(store.unfinished(None).await.unwrap(), [batch]);
    next.check().await.unwrap();
    drop(lease);
    // Who comes back takes a lease of its own.
    drop(next);
    let again = store.lease_source(&source).await.unwrap();
    store.put_batch(&late).await.unwrap();
    again.check().await.unwrap();
}

#[tokio::test]
async fn a_broken_index_is_noticed() {
    let home = Home::database();
    let store = store(&home).await;
    store.integrity().await.unwrap();
    let damage = "UPDATE pg_index SET indisvalid = false \
                  WHERE indexrelid = 'batch_load'::regclass";
    server().sql(name(&home), damage).unwrap();
    let error = store.integrity().await.unwrap_err();
    assert!(matches!(error, StoreError::Integrity { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_noticed() {
    let home = Home::database();
    let store = store(&home).await;
    let file = server().sql(name(&home), "SELECT pg_relation_filenode('epoch')").unwrap();
    store.writers.close().await;
    store.readers.close().await;
    // A copy, of which the server has nothing in memory yet.
    let copy = format!("copy_of_{}", name(&home));
    let create = format!("CREATE DATABASE {copy} TEMPLATE {} STRATEGY file_copy", name(&home));
    server().sql("postgres", &create).unwrap();
    let number = format!("SELECT oid FROM pg_database WHERE datname = '{copy}'");
    let number = server().sql("postgres", &number).unwrap();
    let path = server().folder().join("data/base").join(number).join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..24].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open_postgres(&server().url(&copy).parse().unwrap(), Path::new("unused"))
        .await
        .unwrap();
    let error = store.integrity().await.unwrap_err();
    assert!(matches!(error, StoreError::Integrity { .. }), "{error:?}");
}

#[tokio::test]
async fn settings_of_the_server_do_not_weaken_what_is_promised() {
    let home = Home::database();
    let store = store(&home).await;
    let weaken = format!(
        "ALTER DATABASE {0} SET synchronous_commit = off; \
         ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'; \
         ALTER DATABASE {0} SET default_transaction_read_only = on",
        name(&home)
    );
    server().sql(name(&home), &weaken).unwrap();
    let store_again = PostgresStore::open(&home.url(), &home.control()).await.unwrap();
    for (setting, expected) in
        [("synchronous_commit", "on"), ("transaction_isolation", "read committed")]
    {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(store_again.writers())
            .await
            .unwrap();
        assert_eq!(found, expected);
    }
    let lease = store_again.lease("pos").await.unwrap();
    lease.check().await.unwrap();
    drop(store);
}

#[tokio::test]
async fn debug_does_not_show_the_password() {
    let home = Home::database();
    let store = home.create().await;
    let lease = store.lease_maintenance().await.unwrap();
    let shown = format!("{store:?} {lease:?} {:?}", home.url());
    assert!(!shown.contains(PostgresServer::PASSWORD), "{shown}");
}
