use std::collections::{BTreeSet, HashSet};

use custos_keys::conformance;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Home, at, on_both};

async fn the_store_keeps_what_a_secret_store_promises(home: Home) {
    let store = home.create().await;
    conformance::secret_store(&store).await.unwrap();
    store.integrity().await.unwrap();
}

/// Numbers that look random; the same at each run.
fn scramble(number: u32) -> u32 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b1);
    mixed ^= mixed >> 15;
    mixed.wrapping_mul(0x85eb_ca77) ^ (mixed >> 13)
}

/// Of different lengths, which moves rows about most.
fn sealed_bytes(number: u32) -> Vec<u8> {
    let words = [14, 22, 74, 224, 1500][number as usize % 5];
    (0..words).flat_map(|word| scramble(number * 2048 + word).to_le_bytes()).collect()
}

/// Owners in no order, so that the index is split and joined everywhere.
fn secrets(numbers: impl Iterator<Item = u32>) -> Vec<SealedSecret> {
    numbers
        .map(|number| {
            let mut owner = [0x77; 16];
            owner[..4].copy_from_slice(&scramble(number).to_le_bytes());
            SealedSecret {
                owner: FileId::from_random(owner),
                class: KeyClass::Core,
                epoch: EpochId(1 + number % 300),
                sealed: sealed_bytes(number),
            }
        })
        .collect()
}

/// Everything of eight bytes that the store keeps.
fn windows(home: &Home) -> HashSet<[u8; 8]> {
    let stored = home.stored_bytes();
    stored.iter().flat_map(|bytes| bytes.array_windows::<8>().copied()).collect()
}

fn holds(windows: &HashSet<[u8; 8]>, secret: &SealedSecret) -> bool {
    secret.sealed.array_windows::<8>().any(|window| windows.contains(window))
}

async fn destroyed_bytes_are_stored_nowhere(home: Home) {
    let store = home.create().await;
    let mut live = Vec::new();
    let mut gone = Vec::new();
    for round in 0..20_u32 {
        let new = secrets(round * 60..(round + 1) * 60);
        store.insert(&new).await.unwrap();
        live.extend(new);
        let (kept, dying): (Vec<_>, Vec<_>) = live
            .into_iter()
            .partition(|secret: &SealedSecret| !(secret.sealed[0] ^ round as u8).is_multiple_of(3));
        let owners: Vec<FileId> = dying.iter().map(|secret| secret.owner).collect();
        let destroyed = store.destroy(&owners, &DestructionCause::Replaced, at(1)).await.unwrap();
        assert_eq!(destroyed.len(), owners.len());
        live = kept;
        gone.extend(dying);
    }
    let windows = windows(&home);
    assert!(gone.len() > 500 && live.len() > 20);
    assert!(live.iter().all(|secret| holds(&windows, secret)), "live ones are found this way");
    assert_eq!(gone.iter().filter(|secret| holds(&windows, secret)).count(), 0);
}

async fn destroying_says_so_even_while_somebody_reads(home: Home) {
    let store = home.create().await;
    let all = secrets(0..3);
    store.insert(&all).await.unwrap();
    let other = home.open().await;
    let mut reader = other.reader("testing").await.unwrap();
    let (count,): (i64,) =
        query("SELECT count(*) FROM secret").fetch_one(&mut reader).await.unwrap();
    assert_eq!(count, 3);
    // The reader keeps older states alive until it ends.
    let owners = [all[0].owner];
    let (gone, ()) =
        tokio::join!(store.destroy(&owners, &DestructionCause::Abandoned, at(1)), async {
            drop(reader)
        },);
    assert_eq!(gone.unwrap(), owners);
    assert!(!holds(&windows(&home), &all[0]));
}

async fn processes_that_destroy_at_once_wait_for_each_other(home: Home) {
    let store = home.create().await;
    let all = secrets(0..300);
    store.insert(&all).await.unwrap();
    let mut tasks = JoinSet::new();
    for mine in all.chunks(100) {
        let other = home.open().await;
        let owners: Vec<FileId> = mine.iter().map(|secret| secret.owner).collect();
        tasks.spawn(async move {
            for owner in owners {
                let gone = other.destroy(&[owner], &DestructionCause::Replaced, at(1)).await;
                assert_eq!(gone.unwrap(), [owner]);
            }
        });
    }
    tasks.join_all().await;
    let windows = windows(&home);
    assert!(!all.iter().any(|secret| holds(&windows, secret)));
}

async fn the_ledger_says_why_and_for_whom(home: Home) {
    let store = home.create().await;
    let all = secrets(0..2);
    store.insert(&all).await.unwrap();
    let request = crate::testing::request_id(5);
    store.destroy(&[all[0].owner], &DestructionCause::Erasure(request), at(9)).await.unwrap();
    store.destroy(&[all[1].owner], &DestructionCause::JournalFolded, at(9)).await.unwrap();
    let rows: Vec<(String, Option<String>)> = query("SELECT cause, request FROM destroyed_owner")
        .fetch_all(store.readers())
        .await
        .unwrap();
    let rows: BTreeSet<_> = rows.into_iter().collect();
    let expected =
        [("erasure".to_owned(), Some(request.to_string())), ("journal_folded".to_owned(), None)];
    assert_eq!(rows, expected.into_iter().collect());
}

/// Of lengths among which a row that grows by a byte is moved, and leaves copies of others.
fn wrapped(at: u32, round: u32) -> Vec<u8> {
    let bytes = [60, 61, 89, 300, 900][scramble(at) as usize % 5];
    let seed = scramble(round) ^ at;
    let words = (0..bytes).map(|word| scramble(seed.wrapping_mul(1024) + word));
    words.flat_map(u32::to_le_bytes).take(bytes as usize).collect()
}

async fn rewrapped_bytes_leave_no_copy_of_the_old_ones_nor_later_of_the_new_ones(home: Home) {
    let store = home.create().await;
    let mut now: Vec<SealedSecret> = secrets(0..4000)
        .into_iter()
        .enumerate()
        .map(|(at, secret)| SealedSecret {
            epoch: EpochId(1),
            sealed: wrapped(at as u32, 0),
            ..secret
        })
        .collect();
    store.insert(&now).await.unwrap();
    let mut replaced = Vec::new();
    // Numbers for which SQLite by itself takes no, one, two, three and four bytes.
    for (round, epoch) in [2_u32, 128, 40_000, 9_000_000].into_iter().enumerate() {
        let moved: Vec<Rewrapped> = now
            .iter()
            .enumerate()
            .map(|(at, old)| {
                let sealed = wrapped(at as u32, round as u32 + 1);
                let new = SealedSecret { epoch: EpochId(epoch), sealed, ..old.clone() };
                Rewrapped { old: old.clone(), new }
            })
            .collect();
        for page in moved.chunks(500) {
            assert_eq!(store.rewrap(page).await.unwrap(), page.len() as u64);
        }
        replaced.extend(now);
        now = moved.into_iter().map(|rewrapped| rewrapped.new).collect();
    }
    let (dying, live) = now.split_at(3000);
    let owners: Vec<FileId> = dying.iter().map(|secret| secret.owner).collect();
    store.destroy(&owners, &DestructionCause::Replaced, at(1)).await.unwrap();
    let windows = windows(&home);
    assert!(live.iter().all(|secret| holds(&windows, secret)), "live ones are found this way");
    assert_eq!(replaced.iter().filter(|secret| holds(&windows, secret)).count(), 0);
    assert_eq!(dying.iter().filter(|secret| holds(&windows, secret)).count(), 0);
}

#[tokio::test]
async fn secrets_of_a_store_made_before_epochs_had_a_fixed_width_are_kept() {
    let home = Home::folder();
    let store = home.create().await;
    let all = secrets(0..50);
    store.insert(&all).await.unwrap();
    store.destroy(&[all[7].owner], &DestructionCause::Replaced, at(3)).await.unwrap();
    // The tables as the first migration made them, with rows in them.
    let first = include_str!("../../migrations/sqlite/0001_control_store.sql");
    let table = first.split("CREATE TABLE secret ").nth(1).unwrap().split(';').next().unwrap();
    let mut writer = store.writer(Part::Schema, "testing").await.unwrap();
    for statement in [
        "ALTER TABLE secret RENAME TO newer".to_owned(),
        "DROP VIEW live_secret".to_owned(),
        format!("CREATE TABLE secret {table}"),
        format!(
            "INSERT INTO secret SELECT seq, owner, class, epoch - {EPOCH_BASE}, sealed FROM newer"
        ),
        "DROP TABLE newer".to_owned(),
        "CREATE VIEW live_secret AS SELECT * FROM secret".to_owned(),
        "DROP TABLE key_epoch".to_owned(),
        "DROP INDEX destroyed_owner_unrecorded".to_owned(),
        "ALTER TABLE destroyed_owner DROP COLUMN recorded".to_owned(),
        "DROP TABLE erasure_record".to_owned(),
        "DROP TABLE restored".to_owned(),
        "DELETE FROM _sqlx_migrations WHERE version = 3".to_owned(),
    ] {
        let statement: &'static str = statement.leak();
        query(statement).execute(&mut writer).await.unwrap();
    }
    writer.commit().await.unwrap();
    let again = home.open().await;
    let owners: Vec<FileId> = all.iter().map(|secret| secret.owner).collect();
    let mut found = again.fetch(&owners).await.unwrap();
    let mut kept: Vec<SealedSecret> = all;
    let gone = kept.remove(7).owner;
    found.sort_by_key(|secret| secret.owner);
    kept.sort_by_key(|secret| secret.owner);
    assert_eq!(found, kept);
    assert_eq!(again.destroyed(&[gone]).await.unwrap(), [(gone, at(3))]);
    again.integrity().await.unwrap();
}

on_both! {
    rewrapped_bytes_leave_no_copy_of_the_old_ones_nor_later_of_the_new_ones,
    destroyed_bytes_are_stored_nowhere,
    destroying_says_so_even_while_somebody_reads,
    the_store_keeps_what_a_secret_store_promises,
    processes_that_destroy_at_once_wait_for_each_other,
    the_ledger_says_why_and_for_whom,
}
