//! The guarantees of [`Kms`].

use custos_core::EpochId;

use super::{Violation, ensure, succeed};
use crate::{KeyError, Kms, Secret};

const FIRST: EpochId = EpochId(1);
const SECOND: EpochId = EpochId(2);
const NEVER: EpochId = EpochId(77);

/// More than fits into one call of any KMS.
const MANY: usize = 700;

/// Tries the guarantees of [`Kms`] on one that has no epochs yet. It is left with epoch 2.
pub async fn kms(kms: &dyn Kms) -> Result<(), Violation> {
    creates_epochs_once(kms).await?;
    wraps_for_one_place(kms).await?;
    takes_many_at_once(kms).await?;
    knows_no_other_epoch(kms).await?;
    destroys_for_good(kms).await
}

async fn creates_epochs_once(kms: &dyn Kms) -> Result<(), Violation> {
    let epochs = succeed(kms.epochs().await, "a new kms lists its epochs")?;
    ensure(epochs.is_empty(), "a new kms has no epochs")?;
    succeed(kms.create_epoch(SECOND).await, "an epoch can be created")?;
    succeed(kms.create_epoch(FIRST).await, "epochs can be created in any order")?;
    let again = kms.create_epoch(FIRST).await;
    ensure(matches!(again, Err(KeyError::EpochExists { .. })), "an epoch is created once")?;
    let epochs = succeed(kms.epochs().await, "epochs are listed")?;
    ensure(epochs == [FIRST, SECOND], "epochs are listed in ascending order")
}

async fn wraps_for_one_place(kms: &dyn Kms) -> Result<(), Violation> {
    let secret = succeed(Secret::random(), "there are random bytes")?;
    let wrapped = succeed(kms.wrap(FIRST, &secret, b"here").await, "a live epoch wraps")?;
    let twice = succeed(kms.wrap(FIRST, &secret, b"here").await, "a live epoch wraps again")?;
    ensure(wrapped != twice, "wrapping twice gives different bytes")?;
    let shown = secret.expose(|bytes| wrapped.windows(bytes.len()).any(|part| part == bytes));
    ensure(!shown, "wrapped bytes do not contain the secret")?;

    let opened = succeed(kms.unwrap(FIRST, &wrapped, b"here").await, "what is wrapped unwraps")?;
    let equal = secret.expose(|bytes| opened.expose(|others| bytes == others));
    ensure(equal, "unwrapping gives the secret that was wrapped")?;

    let elsewhere = kms.unwrap(FIRST, &wrapped, b"there").await;
    ensure(is_unopened(&elsewhere), "a wrapped secret opens in its own context only")?;
    let other_epoch = kms.unwrap(SECOND, &wrapped, b"here").await;
    ensure(is_unopened(&other_epoch), "a wrapped secret opens under its own epoch only")?;
    let mut changed = wrapped.clone();
    if let Some(byte) = changed.last_mut() {
        *byte ^= 1;
    }
    let changed = kms.unwrap(FIRST, &changed, b"here").await;
    ensure(is_unopened(&changed), "changed bytes do not open")
}

async fn takes_many_at_once(kms: &dyn Kms) -> Result<(), Violation> {
    let none = succeed(kms.wrap_many(FIRST, &[]).await, "nothing can be wrapped")?;
    ensure(none.is_empty(), "nothing wrapped is nothing")?;
    let none = succeed(kms.unwrap_many(FIRST, &[]).await, "nothing can be unwrapped")?;
    ensure(none.is_empty(), "nothing unwrapped is nothing")?;
    let mut secrets = Vec::new();
    for _ in 0..MANY {
        secrets.push(succeed(Secret::random(), "there are random bytes")?);
    }
    let places = || (0..MANY).map(|place| place.to_le_bytes().to_vec());
    let asked: Vec<(&Secret, Vec<u8>)> = secrets.iter().zip(places()).collect();
    let wrapped = succeed(kms.wrap_many(FIRST, &asked).await, "many secrets are wrapped")?;
    let asked: Vec<(&[u8], Vec<u8>)> = wrapped.iter().map(Vec::as_slice).zip(places()).collect();
    let opened = succeed(kms.unwrap_many(FIRST, &asked).await, "many secrets are unwrapped")?;
    let equal = secrets
        .iter()
        .zip(&opened)
        .all(|(secret, opened)| secret.expose(|bytes| opened.expose(|others| bytes == others)));
    ensure(equal && opened.len() == secrets.len(), "many secrets keep their order")?;
    let single = kms.unwrap(FIRST, &wrapped[MANY - 1], &asked[MANY - 1].1).await;
    succeed(single, "what was wrapped among many unwraps alone")?;
    let mut moved = asked;
    moved.swap(0, 1);
    let places: Vec<Vec<u8>> = places().take(2).collect();
    moved[0].1.clone_from(&places[0]);
    moved[1].1.clone_from(&places[1]);
    ensure(is_unopened(&kms.unwrap_many(FIRST, &moved).await), "one that does not open fails all")
}

async fn knows_no_other_epoch(kms: &dyn Kms) -> Result<(), Violation> {
    let secret = succeed(Secret::random(), "there are random bytes")?;
    let wrapped = kms.wrap(NEVER, &secret, b"").await;
    ensure(is_unknown(&wrapped), "an epoch that never was does not wrap")?;
    let unwrapped = kms.unwrap(NEVER, b"anything", b"").await;
    ensure(is_unknown(&unwrapped), "an epoch that never was does not unwrap")?;
    let wrapped = kms.wrap_many(NEVER, &[(&secret, Vec::new())]).await;
    ensure(is_unknown(&wrapped), "an epoch that never was does not wrap many")?;
    let destroyed = kms.destroy_epoch(NEVER).await;
    ensure(is_unknown(&destroyed), "an epoch that never was cannot be destroyed")
}

async fn destroys_for_good(kms: &dyn Kms) -> Result<(), Violation> {
    let secret = succeed(Secret::random(), "there are random bytes")?;
    let gone = succeed(kms.wrap(FIRST, &secret, b"").await, "a live epoch wraps")?;
    let stays = succeed(kms.wrap(SECOND, &secret, b"").await, "a live epoch wraps")?;
    for guarantee in ["an epoch can be destroyed", "an epoch can be destroyed twice"] {
        succeed(kms.destroy_epoch(FIRST).await, guarantee)?;
    }
    let unwrapped = kms.unwrap(FIRST, &gone, b"").await;
    ensure(is_destroyed(&unwrapped), "a destroyed epoch does not unwrap")?;
    let unwrapped = kms.unwrap_many(FIRST, &[(&gone, Vec::new())]).await;
    ensure(is_destroyed(&unwrapped), "a destroyed epoch does not unwrap many")?;
    let wrapped = kms.wrap(FIRST, &secret, b"").await;
    ensure(is_destroyed(&wrapped), "a destroyed epoch does not wrap")?;
    let created = kms.create_epoch(FIRST).await;
    ensure(is_destroyed(&created), "a destroyed epoch does not come back")?;
    succeed(kms.unwrap(SECOND, &stays, b"").await, "other epochs are not touched")?;
    let epochs = succeed(kms.epochs().await, "epochs are listed")?;
    ensure(epochs == [SECOND], "destroyed epochs are not listed")
}

fn is_unopened<T>(result: &Result<T, KeyError>) -> bool {
    matches!(result, Err(KeyError::Unopened))
}

fn is_unknown<T>(result: &Result<T, KeyError>) -> bool {
    matches!(result, Err(KeyError::EpochUnknown { .. }))
}

fn is_destroyed<T>(result: &Result<T, KeyError>) -> bool {
    matches!(result, Err(KeyError::EpochDestroyed { .. }))
}
