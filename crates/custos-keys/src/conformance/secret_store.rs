//! The guarantees of [`SecretStore`].

use std::collections::BTreeSet;

use custos_core::{EpochId, FileId, KeyClass, RequestId, StoreError, Timestamp};

use super::{Violation, ensure, succeed};
use crate::{DestructionCause, EpochRecord, Rewrapped, SealedSecret, SecretStore};

const EARLY: Timestamp = Timestamp::from_micros(1_000_000);
const LATE: Timestamp = Timestamp::from_micros(2_000_000);

fn owner(number: u8) -> FileId {
    FileId::from_random([number; 16])
}

fn secret(number: u8, class: KeyClass, epoch: u32) -> SealedSecret {
    // Every value of a byte, so that a store which keeps text is found out.
    let sealed = (0..=u8::MAX).map(|byte| byte ^ number).collect();
    SealedSecret { owner: owner(number), class, epoch: EpochId(epoch), sealed }
}

/// Tries the guarantees of [`SecretStore`] on an empty one. It is left with secrets and a ledger.
pub async fn secret_store(store: &dyn SecretStore) -> Result<(), Violation> {
    keeps_what_was_inserted(store).await?;
    inserts_all_or_nothing(store).await?;
    destroys_for_good(store).await?;
    keeps_the_first_entry_of_the_ledger(store).await?;
    takes_many_at_once(store).await?;
    rewraps_what_is_as_it_was(store).await?;
    walks_an_epoch(store).await?;
    closes_epochs_for_good(store).await
}

async fn fetched(
    store: &dyn SecretStore,
    owners: &[FileId],
) -> Result<Vec<SealedSecret>, Violation> {
    let mut secrets = succeed(store.fetch(owners).await, "secrets are fetched")?;
    secrets.sort_by_key(|secret| (secret.owner, secret.class));
    Ok(secrets)
}

async fn live(store: &dyn SecretStore) -> Result<Vec<FileId>, Violation> {
    let mut owners = succeed(store.owners().await, "owners are listed")?;
    owners.sort_unstable();
    Ok(owners)
}

async fn keeps_what_was_inserted(store: &dyn SecretStore) -> Result<(), Violation> {
    ensure(live(store).await?.is_empty(), "an empty store has no owners")?;
    ensure(fetched(store, &[owner(1)]).await?.is_empty(), "unknown owners have no secrets")?;
    let secrets = [
        secret(1, KeyClass::Core, 1),
        secret(1, KeyClass::Fact, 1),
        secret(2, KeyClass::Core, 2),
        secret(3, KeyClass::Sensitive, 2),
    ];
    succeed(store.insert(&[]).await, "nothing can be inserted")?;
    succeed(store.insert(&secrets).await, "secrets are inserted")?;
    let found = fetched(store, &[owner(1), owner(2), owner(2), owner(9)]).await?;
    ensure(found == secrets[..3], "fetch returns what was inserted for the owners, once")?;
    ensure(fetched(store, &[]).await?.is_empty(), "no owners have no secrets")?;
    let owners = live(store).await?;
    ensure(owners == [owner(1), owner(2), owner(3)], "each live owner is listed once")?;
    let counts = succeed(store.counts().await, "secrets are counted")?;
    ensure(counts == [(EpochId(1), 2), (EpochId(2), 2)], "live secrets are counted an epoch")
}

async fn inserts_all_or_nothing(store: &dyn SecretStore) -> Result<(), Violation> {
    let mut other = secret(1, KeyClass::Core, 5);
    other.sealed = vec![0];
    let result = store.insert(&[secret(4, KeyClass::Core, 5), other]).await;
    ensure(is_conflict(&result), "a secret is never written over")?;
    ensure(fetched(store, &[owner(4)]).await?.is_empty(), "a refused insert stores nothing")?;
    let found = fetched(store, &[owner(1)]).await?;
    let kept = [secret(1, KeyClass::Core, 1), secret(1, KeyClass::Fact, 1)];
    ensure(found == kept, "a refused insert changes nothing")?;
    let twice = [secret(4, KeyClass::Core, 5), secret(4, KeyClass::Core, 5)];
    ensure(is_conflict(&store.insert(&twice).await), "one insert has each secret once")?;
    ensure(fetched(store, &[owner(4)]).await?.is_empty(), "a refused insert stores nothing")?;
    succeed(
        store.insert(&[secret(3, KeyClass::Core, 2)]).await,
        "a live owner may get a secret of another class",
    )
}

async fn destroys_for_good(store: &dyn SecretStore) -> Result<(), Violation> {
    let cause = DestructionCause::Erasure(RequestId::from_random([8; 16]));
    let asked = [owner(1), owner(3), owner(9), owner(3)];
    let mut gone = succeed(store.destroy(&asked, &cause, EARLY).await, "secrets are destroyed")?;
    gone.sort_unstable();
    ensure(gone == [owner(1), owner(3)], "destroy returns the owners it knows as destroyed, once")?;
    ensure(
        fetched(store, &[owner(1), owner(3)]).await?.is_empty(),
        "destroyed secrets of every class are gone",
    )?;
    ensure(fetched(store, &[owner(2)]).await?.len() == 1, "other owners are not touched")?;
    ensure(live(store).await? == [owner(2)], "destroyed owners are not listed")?;
    let counts = succeed(store.counts().await, "secrets are counted")?;
    ensure(counts == [(EpochId(2), 1)], "destroyed secrets are not counted")?;
    for class in [KeyClass::Core, KeyClass::Identifier] {
        let again = store.insert(&[secret(1, class, 1)]).await;
        ensure(is_conflict(&again), "a destroyed owner never gets a secret again")?;
    }
    succeed(
        store.insert(&[secret(9, KeyClass::Core, 1)]).await,
        "destroying an unknown owner leaves no trace",
    )
}

async fn keeps_the_first_entry_of_the_ledger(store: &dyn SecretStore) -> Result<(), Violation> {
    let asked = [owner(1), owner(2)];
    let mut gone = succeed(
        store.destroy(&asked, &DestructionCause::Replaced, LATE).await,
        "destroying is repeated",
    )?;
    gone.sort_unstable();
    ensure(gone == asked, "destroy returns owners destroyed earlier too")?;
    let mut ledger = succeed(
        store.destroyed(&[owner(1), owner(2), owner(9), owner(10), owner(1)]).await,
        "the ledger is read",
    )?;
    ledger.sort_unstable();
    ensure(
        ledger == [(owner(1), EARLY), (owner(2), LATE)],
        "the ledger keeps when an owner was first destroyed",
    )
}

async fn takes_many_at_once(store: &dyn SecretStore) -> Result<(), Violation> {
    let owners: Vec<FileId> = (0..5000_u16)
        .map(|number| {
            let mut bytes = [0xee; 16];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            FileId::from_random(bytes)
        })
        .collect();
    let secrets: Vec<SealedSecret> = owners
        .iter()
        .map(|&owner| SealedSecret { owner, ..secret(0, KeyClass::Fact, 3) })
        .collect();
    succeed(store.insert(&secrets).await, "thousands of secrets are inserted")?;
    let found = fetched(store, &owners).await?;
    ensure(found.len() == owners.len(), "thousands of secrets are fetched")?;
    let gone = store.destroy(&owners, &DestructionCause::Abandoned, LATE).await;
    let gone: BTreeSet<FileId> =
        succeed(gone, "thousands of secrets are destroyed")?.into_iter().collect();
    ensure(gone == owners.iter().copied().collect(), "destroy returns thousands of owners")?;
    let ledger = succeed(store.destroyed(&owners).await, "thousands of entries are read")?;
    ensure(ledger.len() == owners.len(), "the ledger has thousands of owners")
}

/// The secret under another epoch.
fn rewrapped(old: &SealedSecret, epoch: u32) -> Rewrapped {
    let sealed = old.sealed.iter().map(|byte| !byte).collect();
    let new = SealedSecret { epoch: EpochId(epoch), sealed, ..old.clone() };
    Rewrapped { old: old.clone(), new }
}

async fn rewraps_what_is_as_it_was(store: &dyn SecretStore) -> Result<(), Violation> {
    let secrets = [
        secret(20, KeyClass::Core, 1),
        secret(20, KeyClass::Fact, 1),
        secret(21, KeyClass::Core, 1),
        secret(22, KeyClass::Core, 1),
    ];
    succeed(store.insert(&secrets).await, "secrets are inserted")?;
    succeed(
        store.destroy(&[owner(21)], &DestructionCause::Abandoned, LATE).await,
        "a secret is destroyed",
    )?;
    let mut stale = rewrapped(&secrets[3], 300);
    stale.old.sealed[0] ^= 1;
    let moved = [
        rewrapped(&secrets[0], 300),
        rewrapped(&secrets[2], 300),
        rewrapped(&secret(23, KeyClass::Core, 1), 300),
        stale,
    ];
    let count = succeed(store.rewrap(&moved).await, "secrets are rewrapped")?;
    ensure(count == 1, "only a secret that is as it was is rewrapped")?;
    let found = fetched(store, &[owner(20), owner(21), owner(22), owner(23)]).await?;
    let kept = [moved[0].new.clone(), secrets[1].clone(), secrets[3].clone()];
    ensure(found == kept, "rewrapping replaces epoch and sealed bytes of nothing else")?;
    let again = succeed(store.rewrap(&moved).await, "rewrapping is repeated")?;
    ensure(again == 0, "a secret is not rewrapped twice")?;
    succeed(store.rewrap(&[]).await, "nothing can be rewrapped").map(drop)
}

async fn page(
    store: &dyn SecretStore,
    after: Option<&SealedSecret>,
    limit: u32,
) -> Result<Vec<SealedSecret>, Violation> {
    let after = after.map(|secret| (secret.owner, secret.class));
    succeed(store.epoch_page(EpochId(7), after, limit).await, "a page of an epoch is read")
}

async fn walks_an_epoch(store: &dyn SecretStore) -> Result<(), Violation> {
    let secrets: Vec<SealedSecret> = (30..60)
        .flat_map(|number| [KeyClass::Fact, KeyClass::Core].map(|class| secret(number, class, 7)))
        .collect();
    succeed(store.insert(&secrets).await, "secrets are inserted")?;
    succeed(store.insert(&[secret(29, KeyClass::Core, 8)]).await, "secrets are inserted")?;
    succeed(
        store.destroy(&[owner(59)], &DestructionCause::Abandoned, LATE).await,
        "a secret is destroyed",
    )?;
    let mut walked = Vec::new();
    loop {
        let next = page(store, walked.last(), 7).await?;
        ensure(next.len() <= 7, "a page is no longer than asked for")?;
        if next.is_empty() {
            break;
        }
        // What was walked over leaves the epoch, as in a rotation.
        let moved: Vec<Rewrapped> = next.iter().map(|secret| rewrapped(secret, 9)).collect();
        let count = succeed(store.rewrap(&moved).await, "a page is rewrapped")?;
        ensure(count == next.len() as u64, "a page is rewrapped whole")?;
        walked.extend(next);
    }
    let key = |secret: &SealedSecret| (secret.owner, secret.class);
    walked.sort_by_key(key);
    let mut expected: Vec<SealedSecret> =
        secrets.into_iter().filter(|secret| secret.owner != owner(59)).collect();
    expected.sort_by_key(key);
    ensure(walked == expected, "the pages of an epoch hold each live secret once")?;
    ensure(page(store, None, 7).await?.is_empty(), "what was rewrapped left its epoch")
}

async fn closes_epochs_for_good(store: &dyn SecretStore) -> Result<(), Violation> {
    let noted = |epoch, at| store.note_epoch(EpochId(epoch), at);
    succeed(noted(7, EARLY).await, "an epoch is remembered")?;
    succeed(noted(7, LATE).await, "an epoch is remembered again")?;
    succeed(noted(9, EARLY).await, "an epoch is remembered")?;
    let close = |epoch, at| store.close_epoch(EpochId(epoch), at);
    let in_the_way = succeed(close(9, LATE).await, "closing an epoch in use is no failure")?;
    ensure(in_the_way == 58, "an epoch with live secrets is not closed, and they are counted")?;
    for at in [EARLY, LATE] {
        let in_the_way = succeed(close(7, at).await, "an epoch is closed")?;
        ensure(in_the_way == 0, "an epoch without live secrets is closed")?;
    }
    let late = secret(70, KeyClass::Core, 7);
    let inserted = store.insert(std::slice::from_ref(&late)).await;
    ensure(is_conflict(&inserted), "nothing is inserted under a closed epoch")?;
    let other = secret(71, KeyClass::Core, 9);
    succeed(store.insert(std::slice::from_ref(&other)).await, "an open epoch takes secrets")?;
    let moved = store.rewrap(&[rewrapped(&other, 7)]).await.map(drop);
    ensure(is_conflict(&moved), "nothing is rewrapped to a closed epoch")?;
    let record = |epoch, destroyed_at| EpochRecord {
        epoch: EpochId(epoch),
        created_at: EARLY,
        destroyed_at,
    };
    let records = succeed(store.epoch_records().await, "epochs are remembered")?;
    ensure(
        records == [record(7, Some(EARLY)), record(9, None)],
        "what is remembered of an epoch is what was said first",
    )
}

fn is_conflict(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}
