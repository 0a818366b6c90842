use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use custos_consent::ConsentBook;
use custos_core::StoreError;
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::governor::tests::{Doors, World, principal, sorted};
use crate::{Epochs, Limits, Population};

use super::*;

const PEOPLE: &str = "SELECT n, canary_text FROM people WHERE n < 10";

/// People of whom the first so many are erased.
#[derive(Debug, Clone, Default)]
struct Erasing(Arc<AtomicU64>);

#[async_trait]
impl Population for Erasing {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        Ok(Epochs { suppression: self.0.load(Ordering::SeqCst), ..Epochs::default() })
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        Ok(ConsentBook::default())
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        let erased = u32::try_from(self.0.load(Ordering::SeqCst)).unwrap();
        Ok((1..=erased).collect())
    }
}

async fn doors(world: &World, limits: Limits) -> (Doors, Erasing) {
    let population = Erasing::default();
    (world.doors_over(population.clone(), limits).await, population)
}

/// Where the values of an answer are: the same place tells the same answer.
fn places(batches: &[RecordBatch]) -> Vec<*const u8> {
    let column = |batch: &RecordBatch| batch.column(0).to_data().buffers()[0].as_ptr();
    batches.iter().map(column).collect()
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test]
async fn an_answer_is_given_again_and_each_time_audited() {
    let world = World::with_rows(100).await;
    let (doors, _) = doors(&world, world.limits()).await;
    let computed = doors.rows(PEOPLE).await.unwrap();
    let [kept, again] = [doors.rows(PEOPLE).await.unwrap(), doors.rows(PEOPLE).await.unwrap()];
    assert_eq!(sorted(&computed), sorted(&kept));
    assert_eq!((count(&kept), places(&kept)), (10, places(&again)));
    assert_eq!(world.entries().await.len(), 6, "intent and outcome, each time");
    let other = doors.rows(&PEOPLE.replace("10", "9")).await.unwrap();
    assert_eq!(count(&other), 9);
}

#[tokio::test]
async fn no_answer_outlives_an_erasure_or_new_rows() {
    let world = World::with_rows(100).await;
    let (doors, population) = doors(&world, world.limits()).await;
    for erased in 0..5_u64 {
        population.0.store(erased, Ordering::SeqCst);
        for _ in 0..3 {
            let left = 10 - usize::try_from(erased).unwrap();
            assert_eq!(count(&doors.rows(PEOPLE).await.unwrap()), left);
        }
    }
    let kept = |doors: &Doors| doors.executor.answers_kept();
    assert_eq!(kept(&doors), 1, "those of older states are gone");
    population.0.store(5, Ordering::SeqCst);
    doors.rows("SELECT 1 / (n - 99) AS q FROM people").await.unwrap_err();
    assert_eq!(kept(&doors), 0, "as soon as anything is asked after a change");
    world.append(10).await;
    // Ten more, of accounts as before: five of them are erased.
    assert_eq!(count(&doors.rows(PEOPLE).await.unwrap()), 10);
}

#[tokio::test]
async fn what_asks_for_the_time_or_for_chance_is_not_kept() {
    let world = World::with_rows(100).await;
    let (doors, _) = doors(&world, world.limits()).await;
    for sql in [
        "SELECT n, now() AS at FROM people WHERE n < 10",
        "SELECT n, random() AS r FROM people WHERE n < 10",
        "SELECT n FROM people WHERE n < 10 AND current_date >= DATE '1970-01-01'",
        "SELECT n FROM (SELECT n, (SELECT max(random()) FROM people) AS r FROM people)",
        "EXPLAIN SELECT n FROM people",
    ] {
        doors.rows(sql).await.unwrap();
        assert_eq!(doors.executor.answers_kept(), 0, "{sql}");
    }
    doors.rows("SELECT age FROM counted").await.unwrap();
    assert_eq!(doors.executor.answers_kept(), 1, "views are looked into");
}

#[tokio::test]
async fn an_answer_that_is_large_or_broke_off_is_not_kept() {
    let world = World::with_rows(10_000).await;
    let limits = Limits { kept_answers_bytes: 160 * 1_024, ..world.limits() };
    let (doors, _) = doors(&world, limits).await;
    doors.rows("SELECT n, canary_text FROM people").await.unwrap();
    assert_eq!(doors.executor.answers_kept(), 0);
    let failing = doors.rows("SELECT 1 / (n - 9999) AS q FROM people").await;
    assert!(failing.is_err());
    assert_eq!(doors.executor.answers_kept(), 0);
    let purpose = "legal_claims".parse().unwrap();
    let governed = doors.governor.govern(PEOPLE, &principal("officer"), &purpose).await.unwrap();
    drop(doors.executor.run(governed).await.unwrap());
    for below in 1..200 {
        doors.rows(&format!("SELECT n, g FROM people WHERE n < {below}")).await.unwrap();
    }
    let kept = doors.executor.answers_kept();
    assert!((2..199).contains(&kept), "{kept}: the oldest make room");
}

#[tokio::test]
async fn who_sees_less_is_not_given_what_others_see() {
    let world = World::with_rows(100).await;
    let (doors, _) = doors(&world, world.limits()).await;
    let ask = async |purpose: &str, role: &str| {
        let purpose = purpose.parse().unwrap();
        let governed = doors.governor.govern(PEOPLE, &principal(role), &purpose).await?;
        let rows: Vec<_> = doors.executor.run(governed).await?.try_collect().await?;
        Ok::<_, crate::QueryError>(rows)
    };
    let officer = ask("legal_claims", "officer").await.unwrap();
    assert_eq!(count(&officer), 10);
    // Nobody agreed to this purpose, and the other may not act for the first.
    assert!(ask("legal_claims", "marketer").await.is_err());
    if let Ok(rows) = ask("functional", "officer").await {
        assert_ne!(places(&rows), places(&officer));
    }
}
