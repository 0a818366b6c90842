use std::collections::BTreeMap;

use chrono::NaiveDate;
use custos_consent::{ConsentEvent, ConsentStatus};
use custos_core::Timestamp;
use custos_erasure::RequestStore;
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Home, at, on_both, properties_on_both, rids};

/// Few values for each part, so that events are often equal or differ in one part only.
fn event() -> impl Strategy<Value = ConsentEvent> {
    let texts = prop::option::of(prop::sample::select(vec!["", "a"]));
    (
        (0..3_u32, 0..2_i64, prop::sample::select(vec!["analytics", "marketing"])),
        prop::sample::select(ConsentStatus::ALL.to_vec()),
        prop::option::of(-1..1_i64),
        (texts.clone(), texts, any::<bool>()),
    )
        .prop_map(
            |((rid, instant, purpose), status, expires_at, (notice, channel, authority))| {
                ConsentEvent {
                    rid: Rid::new(rid),
                    at: at(instant),
                    purpose: purpose.parse().unwrap(),
                    status,
                    expires_at: expires_at.map(Timestamp::from_micros),
                    notice: notice.map(str::to_owned),
                    channel: channel.map(str::to_owned),
                    authority,
                }
            },
        )
}

fn the_store_holds_the_same_book_as_memory_does(new_home: fn() -> Home) {
    let calls = prop::collection::vec(prop::collection::vec(event(), 0..12), 1..6);
    proptest!(ProptestConfig::with_cases(24), |(calls in calls)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = new_home();
            let store = home.create().await;
            let mut all = std::collections::BTreeSet::new();
            for call in &calls {
                let epoch = store.epochs().await.unwrap().consent;
                let known = all.len();
                all.extend(call.iter().filter(|event| !event.rid.is_none()).cloned());
                let added = store.add_consents(call).await.unwrap();
                assert_eq!(added, (all.len() - known) as u64);
                let raised = store.epochs().await.unwrap().consent;
                assert_eq!(raised > epoch, added > 0);
                assert_eq!(store.add_consents(call).await.unwrap(), 0);
                assert_eq!(store.epochs().await.unwrap().consent, raised);
            }
            let again = home.open().await;
            assert_eq!(again.consents().await.unwrap(), ConsentBook::from_events(all.clone()));
            let known = again.of_subjects(&rids(&[1, 9])).await.unwrap();
            let of_one = all.iter().filter(|event| event.rid == Rid::new(1)).cloned();
            assert_eq!(known.consents, ConsentBook::from_events(of_one));
            assert!(known.tombstones.is_empty() && known.ages.is_empty());
            let mut history = again.consent_history(&rids(&[2, 1, 2])).await.unwrap();
            assert!(history.is_sorted_by_key(|event| (event.rid, event.at)));
            history.sort();
            assert!(history.into_iter().eq(all));
        });
    });
}

/// Somebody reads what was added only, unless something was forgotten, whose number the next event
/// may have.
fn whoever_follows_the_store_knows_what_it_holds(new_home: fn() -> Home) {
    let steps = prop::collection::vec((prop::collection::vec(event(), 0..4), 0..4_u32), 1..8);
    proptest!(ProptestConfig::with_cases(24), |(steps in steps)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = new_home();
            let store = home.create().await;
            let mut known: Option<(Epochs, Consents)> = None;
            for (events, forgotten) in &steps {
                store.add_consents(events).await.unwrap();
                store.forget_consents(&[Rid::new(*forgotten)]).await.unwrap();
                store.add_consents(&events[..events.len().min(1)]).await.unwrap();
                let epochs = store.epochs().await.unwrap();
                let grew = known.as_ref().filter(|(of, _)| of.suppression == epochs.suppression);
                let followed = grew.map(|(_, consents)| consents);
                let consents = store.consents_beyond(followed).await.unwrap();
                assert_eq!(*consents.book, store.consents().await.unwrap());
                known = Some((epochs, consents));
            }
        });
    });
}

fn age() -> impl Strategy<Value = AgeRecord> {
    let born = prop::option::of(
        (-3..30_000_i64).prop_map(|days| NaiveDate::default() + chrono::TimeDelta::days(days)),
    );
    let jurisdiction = prop::option::of(prop::sample::select(vec!["cn", "eu"]));
    (0..4_u32, born, jurisdiction).prop_map(|(rid, born, jurisdiction)| AgeRecord {
        rid: Rid::new(rid),
        born,
        jurisdiction: jurisdiction.map(str::to_owned),
    })
}

/// What a record leaves open stays, and who is forgotten has no age any more.
fn the_last_word_on_an_age_holds(new_home: fn() -> Home) {
    let steps = prop::collection::vec((prop::collection::vec(age(), 0..5), 0..6_u32), 1..6);
    proptest!(ProptestConfig::with_cases(24), |(steps in steps)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = new_home();
            let store = home.create().await;
            let mut all = BTreeMap::new();
            for (records, forgotten) in &steps {
                let before = (all.clone(), store.epochs().await.unwrap().ages);
                for record in records.iter().filter(|record| !record.rid.is_none()) {
                    let known: &mut AgeRecord = all.entry(record.rid).or_insert(record.clone());
                    known.born = record.born.or(known.born);
                    known.jurisdiction =
                        record.jurisdiction.clone().or_else(|| known.jurisdiction.clone());
                }
                store.set_ages(records).await.unwrap();
                assert_eq!(store.set_ages(&[]).await.unwrap(), 0);
                all.remove(&Rid::new(*forgotten));
                store.forget_consents(&[Rid::new(*forgotten)]).await.unwrap();
                let raised = store.epochs().await.unwrap().ages > before.1;
                assert!(raised || all == before.0);
            }
            let again = home.open().await;
            let sorted = |mut ages: Vec<AgeRecord>| {
                ages.sort_by_key(|record| record.rid);
                ages
            };
            assert!(sorted(again.ages().await.unwrap()).iter().eq(all.values()));
            let known = again.of_subjects(&rids(&[1, 2, 9])).await.unwrap();
            let wanted = all.range(Rid::new(1)..Rid::new(3)).map(|(_, record)| record);
            assert!(sorted(known.ages).iter().eq(wanted));
        });
    });
}

async fn processes_that_import_the_same_consents_store_them_once(home: Home) {
    let stores = [home.create().await, home.open().await];
    let events: Vec<ConsentEvent> = (1..40)
        .map(|rid| ConsentEvent {
            rid: Rid::new(rid),
            at: at(1),
            purpose: "analytics".parse().unwrap(),
            status: ConsentStatus::Given,
            expires_at: None,
            notice: None,
            channel: None,
            authority: true,
        })
        .collect();
    let mut tasks = JoinSet::new();
    for writer in 0..6 {
        let (store, mut events) = (stores[writer % 2].clone(), events.clone());
        events.rotate_left(writer * 5);
        tasks.spawn(async move { store.add_consents(&events).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 39);
    assert_eq!(stores[0].epochs().await.unwrap().consent, 1);
}

on_both! {
    processes_that_import_the_same_consents_store_them_once,
}

properties_on_both! {
    the_store_holds_the_same_book_as_memory_does,
    whoever_follows_the_store_knows_what_it_holds,
    the_last_word_on_an_age_holds,
}
