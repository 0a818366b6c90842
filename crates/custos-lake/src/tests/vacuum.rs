//! What a vacuum takes, and what it leaves.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::*;

/// Later than anything is written.
const END: Timestamp = Timestamp::from_micros(i64::MAX);

fn age(path: &Path, seconds: u64) {
    let before = std::fs::metadata(path).unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before - std::time::Duration::from_secs(seconds)).unwrap();
}

/// The store's time at a file.
fn written(path: &Path) -> Timestamp {
    let since = std::fs::metadata(path).unwrap().modified().unwrap();
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

#[tokio::test]
async fn only_what_is_neither_live_nor_named_nor_recent_is_unneeded() {
    let world = World::new().await;
    let table = world.table().await;
    let live = append(&table, &people(1..10)).await;
    let replaced = append(&table, &people(10..20)).await;
    table.commit(id(), Vec::new(), vec![replaced.clone()]).await.unwrap();
    let [planned, orphan, recent] = [20, 30, 40];
    let planned = write(&table, &people(planned..planned + 5)).await.remove(0);
    let orphan = write(&table, &people(orphan..orphan + 5)).await.remove(0);
    let recent = write(&table, &people(recent..recent + 5)).await.remove(0);
    let needed = BTreeSet::from([planned.file]);
    for entry in [&live, &replaced, &planned, &orphan] {
        age(&world.path_of(entry), 3_600);
    }
    let long_ago = written(&world.path_of(&orphan));
    // The file was replaced just now, though it was written long ago.
    let garbage = table.unneeded(&needed, long_ago).await.unwrap();
    assert_eq!((garbage.objects(), garbage.bytes()), (1, orphan.bytes));
    assert_eq!(table.unneeded(&needed, END).await.unwrap().objects(), 3);
    assert!(world.path_of(&orphan).exists(), "looking deletes nothing");
    for _ in 0..2 {
        table.delete_garbage(&garbage).await.unwrap();
    }
    assert!(!world.path_of(&orphan).exists());
    let log = world.folder.path().join("lake/landing/people/_delta_log");
    for entry in std::fs::read_dir(log).unwrap() {
        age(&entry.unwrap().path(), 3_600);
    }
    let garbage = table.unneeded(&needed, long_ago.plus_seconds(1_800)).await.unwrap();
    assert_eq!((garbage.objects(), garbage.bytes()), (1, replaced.bytes));
    table.delete_garbage(&garbage).await.unwrap();
    let kept = [&live, &planned, &recent].map(|entry| world.path_of(entry).exists());
    assert_eq!(kept, [true; 3]);
    assert_eq!(numbers(&world, &world.table().await).await.unwrap(), (1..10).collect::<Vec<_>>());
}

/// Commits nothing a few times and writes the log down in one piece.
async fn checkpoint(world: &World, table: &Table) -> PathBuf {
    for _ in 0..3 {
        table.commit(id(), Vec::new(), Vec::new()).await.unwrap();
    }
    let mut log = table.log().lock().await;
    let version = log.snapshot().await.unwrap().version;
    log.checkpoint(version).await.unwrap();
    let log = world.folder.path().join("lake/landing/people/_delta_log");
    log.join(format!("{version:020}.checkpoint.parquet"))
}

#[tokio::test]
async fn log_entries_expire_up_to_a_checkpoint_that_is_right() {
    let world = World::new().await;
    let table = world.table().await;
    append(&table, &people(1..10)).await;
    assert_eq!(table.expired_log(END).await.unwrap().objects(), 0, "there is no checkpoint");
    let first = checkpoint(&world, &table).await;
    let log = first.parent().unwrap();
    let before = written(&entry_at(log, 0)).plus_seconds(-1);
    assert_eq!(table.expired_log(before).await.unwrap().objects(), 0, "all is recent");
    append(&table, &people(10..20)).await;
    let second = checkpoint(&world, &table).await;
    // A checkpoint that is whole, and of another version.
    let right = std::fs::read(&second).unwrap();
    std::fs::copy(&first, &second).unwrap();
    assert_eq!(table.expired_log(END).await.unwrap().objects(), 0, "it is another version's");
    std::fs::write(&second, right).unwrap();
    let garbage = table.expired_log(END).await.unwrap();
    // Entries 0 to 7, and the first checkpoint.
    assert_eq!(garbage.objects(), 9);
    table.delete_garbage(&garbage).await.unwrap();
    assert!(!first.exists() && !entry_at(log, 7).exists() && entry_at(log, 8).exists());
    // Another process still believes what is left, and goes on.
    let again = world.table().await;
    append(&again, &people(20..25)).await;
    assert_eq!(numbers(&world, &world.table().await).await.unwrap(), (1..25).collect::<Vec<_>>());
}

/// A control store of a moment before `before` trusts the last version of that time.
#[tokio::test]
async fn the_entry_that_an_old_control_store_trusts_stays() {
    let world = World::new().await;
    let table = world.table().await;
    append(&table, &people(1..10)).await;
    let first = checkpoint(&world, &table).await;
    append(&table, &people(10..20)).await;
    let second = checkpoint(&world, &table).await;
    let log = first.parent().unwrap();
    // All but the newest version, which has a checkpoint, is old.
    let soon = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(32_503_680_000);
    for path in [&second, &entry_at(log, 8)] {
        std::fs::File::options().append(true).open(path).unwrap().set_modified(soon).unwrap();
    }
    let before = written(&entry_at(log, 8)).plus_seconds(-1);
    table.delete_garbage(&table.expired_log(before).await.unwrap()).await.unwrap();
    assert!(!entry_at(log, 3).exists() && entry_at(log, 7).exists());
}
