use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use custos_core::{EpochId, KeyClass};
use custos_ingest::Ledger;
use custos_keys::{DestructionCause, LocalKeyRing, SecretStore};
use custos_lake::Storage;
use proptest::prelude::*;
use sqlx::Row;
use tempfile::TempDir;

use super::*;
use crate::OpenError;
use crate::backup::part_of;
use crate::statement::query;
use crate::store::{changes, open_copy};
use crate::testing::{Home, at};

/// Each look at it is a second later.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        at(1_000_000 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A store whose snapshots are kept in a folder.
struct Shop {
    home: Home,
    store: Store,
    ring: Arc<LocalKeyRing>,
    keys: Arc<KeyService>,
    snapshots: Arc<Snapshots>,
    clock: Arc<Ticking>,
    folder: TempDir,
}

impl Shop {
    async fn new() -> Self {
        let home = Home::folder();
        let store = home.create().await;
        let folder = tempfile::tempdir().unwrap();
        let ring = Arc::new(LocalKeyRing::create(&folder.path().join("keys"), None).unwrap());
        let keys = KeyService::initialise(Arc::clone(&ring) as _, Arc::new(store.clone()));
        let keys = Arc::new(keys.await.unwrap());
        let clock = Arc::new(Ticking::default());
        let snapshots = kept(&store, &keys, &ring, folder.path(), &clock);
        Self { home, store, ring, keys, snapshots, clock, folder }
    }

    fn copies(&self) -> ControlCopies {
        copies(self.folder.path())
    }

    /// The names of all objects.
    async fn names(&self) -> Vec<String> {
        self.copies().list().await.unwrap().into_iter().map(|(name, _)| name).collect()
    }

    async fn restore(
        &self,
        into: &str,
        before: Option<Timestamp>,
    ) -> Result<FromLake, BackupError> {
        let into = self.folder.path().join(into).join("custos.db");
        restore_from_lake(&*self.ring, &self.copies(), before, &into).await
    }

    async fn restored_rows(&self, into: &str) -> Vec<String> {
        let path = self.folder.path().join(into).join("custos.db");
        let store = Store::open_restored(&path).await.unwrap();
        store.integrity().await.unwrap();
        store.close().await;
        rows(&path).await
    }

    async fn rows(&self) -> Vec<String> {
        rows(&self.home.path()).await
    }
}

fn copies(folder: &Path) -> ControlCopies {
    ControlCopies::new(&Storage::folder(&folder.join("lake")).unwrap())
}

fn kept(
    store: &Store,
    keys: &Arc<KeyService>,
    ring: &Arc<LocalKeyRing>,
    folder: &Path,
    clock: &Arc<Ticking>,
) -> Arc<Snapshots> {
    let (keys, ring, clock) = (Arc::clone(keys), Arc::clone(ring), Arc::clone(clock));
    store.keep_snapshots(keys, ring, copies(folder), clock).unwrap()
}

/// Every row of every table, as text.
async fn rows(path: &Path) -> Vec<String> {
    let store = SqliteStore::open(path).await.unwrap();
    let mut connection = store.connect_alone().await.unwrap();
    let mut found = Vec::new();
    for table in changes::tables(&mut connection).await.unwrap() {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
            .bind(&table.name)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let quoted: Vec<String> = columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
        let text =
            format!("SELECT {} FROM \"{{table}}\" ORDER BY \"{{key}}\"", quoted.join("||','||"));
        let all = sqlx::query(table.statement(&text)).fetch_all(&mut connection).await.unwrap();
        found.extend(all.iter().map(|row| format!("{} {}", table.name, row.get::<String, _>(0))));
    }
    found
}

/// Changes of every kind: `of` says of which.
async fn change(shop: &Shop, of: u8) {
    let text = match of % 8 {
        0 => {
            shop.keys.create_many(3, &[KeyClass::Core, KeyClass::Fact]).await.unwrap();
            return;
        }
        1 => {
            let owners = shop.store.owners().await.unwrap();
            let root = KeyService::root_owner();
            let Some(owner) = owners.into_iter().find(|owner| *owner != root) else { return };
            shop.store.destroy(&[owner], &DestructionCause::Replaced, at(3)).await.unwrap();
            return;
        }
        2 => "INSERT INTO contract (source, text) VALUES ('s' || $1, 'first')",
        3 => "UPDATE contract SET text = text || $1",
        4 => "UPDATE contract SET source = source || 'x' WHERE source = 's' || $1",
        5 => "DELETE FROM contract WHERE source < 's' || $1",
        6 => {
            "INSERT INTO principal (name, roles, secret_sha256, created_at) \
             VALUES ('ana', '[]', randomblob(32), $1)"
        }
        _ => "UPDATE principal SET revoked_at = $1 WHERE revoked_at IS NULL",
    };
    // Some of these are refused: a name is taken. Then nothing is changed.
    let _refused = query(text).bind(i64::from(of)).execute(shop.store.writers()).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever was done, and whenever snapshots were taken, what is restored is what there was.
    #[test]
    fn what_was_done_to_a_store_is_done_to_what_is_restored(
        steps in proptest::collection::vec((any::<u8>(), 0..10u8), 1..40),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let shop = Shop::new().await;
            for (of, then) in steps {
                change(&shop, of).await;
                match then {
                    0..3 => shop.snapshots.secure().await.unwrap(),
                    3 => shop.snapshots.renew().await.unwrap(),
                    4 => shop.snapshots.keep().await.unwrap(),
                    _ => {}
                }
            }
            shop.snapshots.secure().await.unwrap();
            let restored = shop.restore("new", None).await.unwrap();
            assert!(restored.problems.is_empty(), "{restored:?}");
            assert_eq!(shop.restored_rows("new").await, shop.rows().await);
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_made_while_others_write_and_destroy_is_of_one_moment_and_delays_nobody() {
    let shop = Shop::new().await;
    // Enough for many pages, and none of them in the order of time.
    let mut careless = shop.store.sqlite().unwrap().connect_alone().await.unwrap();
    for text in [
        "PRAGMA foreign_keys = OFF",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) \
         INSERT INTO suppression (hash, until, shared, request) \
         SELECT randomblob(16), 0, 0, 'r' FROM n",
    ] {
        sqlx::query(text).execute(&mut careless).await.unwrap();
    }
    let mut copying = tokio::task::JoinSet::new();
    let (store, path) = (shop.store.sqlite().unwrap().clone(), shop.folder.path().join("copy.db"));
    copying.spawn(async move {
        for round in 0..4 {
            store.copy_to(&path.with_extension(round.to_string())).await.unwrap();
        }
    });
    let mut slowest = Duration::ZERO;
    let mut moved = 0;
    let copied = loop {
        if let Some(copied) = copying.try_join_next() {
            break copied;
        }
        // Something moves between a table that is copied early and one that is copied late.
        let mut transaction =
            shop.store.writer(crate::store::Part::Consents, "moving").await.unwrap();
        for text in [
            "UPDATE epoch SET value = value + 1 WHERE name = 'consent'",
            "UPDATE subject_counter SET next = next + 1",
        ] {
            query(text).execute(&mut transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
        moved += 1;
        let owner = shop.keys.create_file_secrets(&[KeyClass::Core]).await.unwrap().file();
        let began = std::time::Instant::now();
        shop.store.destroy(&[owner], &DestructionCause::Replaced, at(3)).await.unwrap();
        slowest = slowest.max(began.elapsed());
    };
    copied.unwrap();
    assert!(moved > 0);
    assert!(slowest < Duration::from_secs(10), "a destruction took {slowest:?}");
    for round in 0..4 {
        let mut copy = open_copy(&shop.folder.path().join(format!("copy.{round}"))).await.unwrap();
        let (consent, next, suppressed): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT value FROM epoch WHERE name = 'consent'), \
             (SELECT next FROM subject_counter), (SELECT count(*) FROM suppression)",
        )
        .fetch_one(&mut copy)
        .await
        .unwrap();
        assert_eq!((consent + 1, suppressed), (next, 60_000), "copy {round}");
    }
}

#[tokio::test]
async fn every_table_of_rows_notes_its_changes() {
    let shop = Shop::new().await;
    let mut connection = shop.store.sqlite().unwrap().connect_alone().await.unwrap();
    let tables = changes::tables(&mut connection).await.unwrap();
    assert!(tables.len() >= 13, "{tables:?}");
    for table in tables {
        assert!(!table.key.contains(','), "{table:?} has not one key column");
        let triggers: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = $1",
        )
        .bind(&table.name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(triggers, 3, "{table:?}");
    }
}

#[tokio::test]
async fn without_a_change_nothing_is_written_and_little_for_a_little_change() {
    let shop = Shop::new().await;
    shop.keys.create_many(2_000, &[KeyClass::Core]).await.unwrap();
    shop.snapshots.keep().await.unwrap();
    let full = shop.copies().list().await.unwrap();
    assert_eq!(full.len(), 1, "{full:?}");
    for _ in 0..3 {
        shop.snapshots.keep().await.unwrap();
    }
    assert_eq!(shop.copies().list().await.unwrap(), full);
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.keep().await.unwrap();
    let both = shop.copies().list().await.unwrap();
    let increment = both.iter().find(|(name, _)| name.ends_with("increment")).unwrap();
    assert!(increment.1 < 8_000 && full[0].1 > 300_000, "{both:?}");
    // What is in the lake says nothing in clear.
    for (name, _) in both {
        let sealed = shop.copies().get(&name, None).await.unwrap().unwrap();
        for needle in [&b"SQLite format 3"[..], b"CREATE TABLE", b"subject_counter"] {
            assert!(!sealed.windows(needle.len()).any(|window| window == needle), "{name}");
        }
    }
}

#[tokio::test]
async fn older_snapshots_go_when_there_are_newer_full_ones() {
    let shop = Shop::new().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        shop.snapshots.renew().await.unwrap();
        for _ in 0..2 {
            times.push(shop.clock.now());
            shop.store.lease_subjects(1).await.unwrap();
            shop.snapshots.secure().await.unwrap();
        }
    }
    let names = shop.names().await;
    assert_eq!(names.iter().filter(|name| name.ends_with("full")).count(), FULL_KEPT, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with("increment")).count(), 2 * FULL_KEPT);
    let listed = list_snapshots(&*shop.ring, &shop.copies()).await.unwrap();
    assert_eq!(listed.len(), FULL_KEPT);
    assert!(listed.iter().all(|it| it.increments == 2 && it.opens && it.from < it.until));
    // Of ten changes, the state at the time of the ninth has eight.
    let restored = shop.restore("at", Some(times[8])).await.unwrap();
    assert!(restored.made_at <= times[8]);
    let path = shop.folder.path().join("at/custos.db");
    let store = Store::open_restored(&path).await.unwrap();
    assert_eq!(store.lease_subjects(1).await.unwrap().get(), 9);
    // What is kept does not reach as far back as the first.
    let error = shop.restore("before", Some(times[0])).await.unwrap_err();
    assert!(matches!(error, BackupError::NoSnapshot), "{error}");
    assert!(!shop.folder.path().join("before/custos.db").exists());
}

#[tokio::test]
async fn of_a_damaged_or_broken_chain_the_newest_whole_state_is_used_and_that_is_said() {
    let shop = Shop::new().await;
    let mut states = Vec::new();
    for round in 0..2 {
        if round > 0 {
            shop.snapshots.renew().await.unwrap();
        }
        for _ in 0..3 {
            shop.store.lease_subjects(1).await.unwrap();
            shop.snapshots.secure().await.unwrap();
            states.push(shop.rows().await);
        }
    }
    let whole = shop.names().await;
    let lake = shop.folder.path().join("lake/control");
    let kept = shop.folder.path().join("kept");
    let damage = |name: &str| {
        let path = lake.join(name);
        fs::create_dir_all(kept.join(name).parent().unwrap()).unwrap();
        fs::copy(&path, kept.join(name)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    let repair = |name: &str| fs::copy(kept.join(name), lake.join(name)).map(|_| ()).unwrap();
    let find = |kind: &str, at: usize| {
        whole.iter().filter(|name| name.ends_with(kind)).nth(at).unwrap().clone()
    };
    // A store begins with a full copy of its first change, so there are two increments, then three.
    let (first, last) = (find("full", 0), find("increment", 4));
    let state = |into: &'static str| {
        let shop = &shop;
        async move {
            let restored = shop.restore(into, None).await.unwrap();
            (shop.restored_rows(into).await, restored.problems)
        }
    };
    damage(&last);
    let (rows, problems) = state("1").await;
    assert_eq!(rows, states[4]);
    assert!(problems.len() == 1 && problems[0].contains("damaged"), "{problems:?}");
    repair(&last);
    // One that is missing ends the chain though others follow.
    fs::rename(lake.join(find("increment", 3)), kept.join("gone")).unwrap();
    let (rows, problems) = state("2").await;
    assert_eq!(rows, states[3]);
    assert!(problems[0].contains("missing"), "{problems:?}");
    fs::rename(kept.join("gone"), lake.join(find("increment", 3))).unwrap();
    // One in the place of another does not follow.
    fs::copy(lake.join(find("increment", 2)), lake.join(find("increment", 3))).unwrap();
    let (rows, problems) = state("3").await;
    assert_eq!(rows, states[3]);
    assert!(problems[0].contains("does not follow"), "{problems:?}");
    fs::remove_file(lake.join(find("increment", 3))).unwrap();
    // Without the newer full copy, the older one and what followed it are used.
    damage(&find("full", 1));
    let (rows, problems) = state("4").await;
    assert_eq!(rows, states[3]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    damage(&first);
    let error = shop.restore("5", None).await.unwrap_err();
    assert!(matches!(error, BackupError::Keys(_)), "{error}");
    assert_eq!(fs::read_dir(shop.folder.path().join("5")).unwrap().count(), 0);
    // The one who keeps them notices, and begins anew.
    assert!(shop.snapshots.status().await.unwrap().missing > 0);
    shop.snapshots.begin_anew().await.unwrap();
    assert_eq!(shop.snapshots.status().await.unwrap().missing, 0);
    assert_eq!(state("6").await.0, shop.rows().await);
}

/// A folder was copied by hand, and both copies were used.
#[tokio::test]
async fn two_histories_never_become_one_chain() {
    let shop = Shop::new().await;
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let twin = shop.folder.path().join("twin/custos.db");
    fs::create_dir_all(twin.parent().unwrap()).unwrap();
    query("VACUUM INTO $1")
        .bind(twin.to_str().unwrap())
        .execute(shop.store.writers())
        .await
        .unwrap();
    let other = Store::open(&twin).await.unwrap();
    let keys =
        KeyService::open(Arc::clone(&shop.ring) as _, Arc::new(other.clone())).await.unwrap();
    let others = kept(&other, &Arc::new(keys), &shop.ring, shop.folder.path(), &shop.clock);
    shop.store.lease_subjects(10).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let before = shop.names().await;
    other.lease_subjects(20).await.unwrap();
    other.lease_subjects(20).await.unwrap();
    others.secure().await.unwrap();
    shop.store.lease_subjects(10).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let names = shop.names().await;
    assert!(before.iter().all(|name| names.contains(name)));
    let streams: Vec<&str> =
        names.iter().filter_map(|name| name.strip_suffix("/0000000000.full")).collect();
    assert_eq!(streams.len(), 2, "{names:?}");
    // The one that was written to last is the newest, though the twin's began later.
    shop.restore("new", None).await.unwrap();
    assert_eq!(shop.restored_rows("new").await, shop.rows().await);
    other.lease_subjects(1).await.unwrap();
    others.secure().await.unwrap();
    shop.restore("newer", None).await.unwrap();
    assert_eq!(shop.restored_rows("newer").await, rows(&twin).await);
}

/// What a kill between the lake's answer and the store's note of it leaves.
/// A store of which an increment was put as if the process was killed before it could be noted.
async fn with_an_increment_not_noted() -> Shop {
    let shop = Shop::new().await;
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    shop.store.lease_subjects(1).await.unwrap();
    // Temporary tables belong to a connection; there is one writer.
    for text in [
        "CREATE TEMP TABLE kept_change AS SELECT * FROM change",
        "CREATE TEMP TABLE kept_chain AS SELECT * FROM snapshot_chain",
    ] {
        query(text).execute(shop.store.writers()).await.unwrap();
    }
    shop.snapshots.secure().await.unwrap();
    let pending = shop.snapshots.chain().await.unwrap().newest;
    assert!(!pending.is_empty());
    for text in [
        "DELETE FROM snapshot_chain",
        "INSERT INTO snapshot_chain SELECT * FROM kept_chain",
        "INSERT INTO change SELECT * FROM kept_change",
    ] {
        query(text).execute(shop.store.writers()).await.unwrap();
    }
    shop.snapshots.note_pending(&pending).await.unwrap();
    shop
}

#[tokio::test]
async fn an_increment_that_was_put_but_not_noted_is_taken_up() {
    let shop = with_an_increment_not_noted().await;
    let put = shop.names().await;
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let names = shop.names().await;
    assert_eq!(names.len(), put.len() + 1, "no new chain: {names:?}");
    shop.restore("new", None).await.unwrap();
    assert_eq!(shop.restored_rows("new").await, shop.rows().await);
}

#[tokio::test]
async fn an_increment_that_is_older_than_the_full_copy_before_it_takes_nothing_back() {
    let shop = with_an_increment_not_noted().await;
    shop.store.lease_subjects(1).await.unwrap();
    // It holds more than the increment of which nobody knows yet, and has a lower number.
    assert!(shop.snapshots.copy_fully().await.unwrap());
    let restored = shop.restore("full", None).await.unwrap();
    assert_eq!(restored.increments, 1, "it was in the place of the next one: {restored:?}");
    assert_eq!(shop.restored_rows("full").await, shop.rows().await);

    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    shop.restore("later", None).await.unwrap();
    assert_eq!(shop.restored_rows("later").await, shop.rows().await);
}

#[tokio::test]
async fn after_a_rotation_the_newest_snapshot_opens_and_no_older_one_is_left() {
    let shop = Shop::new().await;
    shop.keys.create_many(3, &[KeyClass::Core]).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let old = shop.names().await;
    shop.store.rotate(&shop.keys, &*shop.ring, &*shop.clock, &|_| ()).await.unwrap();
    shop.store.lease_subjects(7).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let names = shop.names().await;
    for name in names.iter().filter(|name| !old.contains(name)) {
        let sealed = shop.copies().get(name, None).await.unwrap().unwrap();
        let header = custos_keys::read_backup_header(&mut &sealed[..]).unwrap();
        assert_eq!(header.epoch, EpochId(2), "{name}");
    }
    assert!(names.iter().all(|name| !old.contains(name)), "{names:?}");
    assert!(shop.restore("new", None).await.unwrap().problems.is_empty());
    assert_eq!(shop.restored_rows("new").await, shop.rows().await);
}

#[tokio::test]
async fn a_restored_state_is_restored_again_or_another_refused() {
    let shop = Shop::new().await;
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let first = shop.restore("new", None).await.unwrap();
    let path = shop.folder.path().join("new/custos.db");
    let refused = Store::open(&path).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotReplayed), "{refused}");
    assert_eq!(shop.restore("new", None).await.unwrap(), first);
    shop.store.lease_subjects(1).await.unwrap();
    shop.snapshots.secure().await.unwrap();
    let error = shop.restore("new", None).await.unwrap_err();
    assert!(matches!(error, BackupError::OtherRestored { .. }), "{error}");
    let restored = Store::open_restored(&path).await.unwrap();
    restored.accept_restored().await.unwrap();
    let error = shop.restore("new", None).await.unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    assert_eq!(
        fs::read_dir(path.parent().unwrap())
            .unwrap()
            .filter(|it| { it.as_ref().unwrap().file_name().to_string_lossy().contains("part") })
            .count(),
        0
    );
}

#[tokio::test]
async fn copies_in_clear_that_a_crash_left_go_when_the_store_is_opened() {
    let shop = Shop::new().await;
    let control = shop.home.control();
    let snapshot = control.join(SNAPSHOT);
    let part = part_of(&shop.home.path());
    fs::write(&snapshot, "in clear").unwrap();
    fs::create_dir(control.join(".restored")).unwrap();
    fs::write(control.join(".restored/custos.db"), "in clear").unwrap();
    // A crash came after the store had its name: this is the store itself.
    fs::hard_link(shop.home.path(), &part).unwrap();
    {
        // Whoever makes a copy now is left alone.
        let _copying = FileLease::take(&control, "_backup").await.unwrap();
        shop.home.open().await;
        assert!(snapshot.exists());
    }
    shop.home.open().await.integrity().await.unwrap();
    assert!(!snapshot.exists() && !control.join(".restored").exists() && !part.exists());
}
