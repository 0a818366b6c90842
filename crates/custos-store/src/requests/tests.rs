use custos_consent::{ConsentEvent, ConsentStatus};
use custos_core::FileId;
use custos_erasure::State;
use custos_ingest::{Ledger, Suppressed};
use custos_keys::SealedRecord;
use custos_query::Population;
use proptest::prelude::*;

use super::*;
use crate::testing::{Home, at, on_both, properties_on_both, request_id, rids};

pub(crate) fn request(number: u8, received_at: i64) -> StoredRequest {
    StoredRequest {
        id: request_id(number),
        state: State::Suppressed,
        revision: 0,
        received_at: at(received_at),
        sealed: SealedRecord {
            owner: FileId::from_random([number; 16]),
            bytes: (0..=u8::MAX).collect(),
        },
        certificate: None,
    }
}

fn same(left: &StoredRequest, right: &StoredRequest) -> bool {
    to_json(left).unwrap() == to_json(right).unwrap()
}

fn is_conflict(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

async fn open(store: &Store, request: &StoredRequest, subjects: &[u32]) {
    RequestStore::open(store, request, &rids(subjects)).await.unwrap();
}

async fn opening_a_request_hides_its_subjects_in_the_same_step(home: Home) {
    let store = home.create().await;
    open(&store, &request(1, 10), &[3, 5]).await;
    let first = store.epochs().await.unwrap();
    assert_eq!(first.suppression, 1);
    assert!(is_conflict(&RequestStore::open(&store, &request(1, 10), &rids(&[9])).await));
    assert_eq!(store.epochs().await.unwrap(), first, "a refused request changes nothing");
    store.hide(request_id(1), &rids(&[5, 7])).await.unwrap();
    assert!(store.epochs().await.unwrap().suppression > first.suppression);
    assert!(is_conflict(&store.hide(request_id(2), &rids(&[8])).await));
    let tombstones = home.open().await.tombstones().await.unwrap();
    assert_eq!(tombstones.iter().collect::<Vec<_>>(), [3, 5, 7]);
}

async fn a_request_changes_only_from_the_revision_that_was_read(home: Home) {
    let store = home.create().await;
    let first = request(1, 10);
    assert!(is_conflict(&store.update(&StoredRequest { revision: 1, ..first.clone() }).await));
    open(&store, &first, &[]).await;
    let second = StoredRequest {
        revision: 1,
        state: State::Verified,
        certificate: Some("e30.e30.e30".to_owned()),
        ..first.clone()
    };
    store.update(&second).await.unwrap();
    for stale in [0, 1, 3] {
        let stale = StoredRequest { revision: stale, ..first.clone() };
        assert!(is_conflict(&store.update(&stale).await));
    }
    let loaded = RequestStore::load(&home.open().await, first.id).await.unwrap().unwrap();
    assert!(same(&loaded, &second));
    assert!(RequestStore::load(&store, request_id(9)).await.unwrap().is_none());
}

async fn requests_are_listed_newest_first(home: Home) {
    let store = home.create().await;
    for (number, received_at) in [(1, 20), (2, 30), (3, 10), (4, 20)] {
        open(&store, &request(number, received_at), &[]).await;
    }
    let listed = RequestStore::list(&store).await.unwrap();
    let expected = [(2, 30), (4, 20), (1, 20), (3, 10)];
    assert_eq!(listed.len(), expected.len());
    for (request_listed, (number, received_at)) in listed.iter().zip(expected) {
        assert!(same(request_listed, &request(number, received_at)));
    }
}

fn entry(hash: u8, until: i64, shared: bool) -> SuppressionEntry {
    SuppressionEntry { hash: [hash; 16], suppressed: Suppressed { until: at(until), shared } }
}

fn a_bar_only_ever_gets_wider(new_home: fn() -> Home) {
    let entries = prop::collection::vec((0..3_u8, -4..4_i64, any::<bool>()), 1..20);
    proptest!(ProptestConfig::with_cases(24), |(entries in entries)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = new_home();
            let store = home.create().await;
            open(&store, &request(1, 1), &[]).await;
            let mut expected = std::collections::HashMap::new();
            for (hash, until, shared) in entries {
                let entry = entry(hash, until, shared);
                let known: &mut Suppressed =
                    expected.entry(entry.hash).or_insert(entry.suppressed);
                known.until = known.until.max(entry.suppressed.until);
                known.shared &= shared;
                store.suppress(request_id(1), &[entry, entry]).await.unwrap();
                let suppression = store.suppression().await.unwrap();
                assert_eq!(suppression.identifiers, expected);
                store.suppress(request_id(1), &[entry]).await.unwrap();
                let repeated = store.suppression().await.unwrap();
                assert_eq!(repeated.epoch, suppression.epoch, "repeating changes nothing");
                assert_eq!(repeated.identifiers, expected);
            }
        });
    });
}

async fn forgotten_consents_are_stored_nowhere(home: Home) {
    let store = home.create().await;
    let canary = "canary-notice-7f3a";
    let event = |rid, notice: &str| ConsentEvent {
        rid: Rid::new(rid),
        at: at(1),
        purpose: "marketing".parse().unwrap(),
        status: ConsentStatus::Given,
        expires_at: None,
        notice: Some(notice.to_owned()),
        channel: None,
        authority: true,
    };
    store.add_consents(&[event(1, canary), event(2, "other-notice-7f3a")]).await.unwrap();
    let before = store.epochs().await.unwrap();
    store.forget_consents(&rids(&[1, 9])).await.unwrap();
    let after = store.epochs().await.unwrap();
    assert!(after.consent > before.consent);
    store.forget_consents(&rids(&[1, 9])).await.unwrap();
    assert_eq!(store.epochs().await.unwrap(), after, "nothing was left to forget");
    assert_eq!(store.consent_history(&rids(&[1, 2])).await.unwrap().len(), 1);
    let stored = home.stored_bytes();
    let contains = |text: &str| {
        stored.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    assert!(contains("other-notice-7f3a"), "live ones are found this way");
    assert!(!contains(canary));
}

properties_on_both! {
    a_bar_only_ever_gets_wider,
}

on_both! {
    forgotten_consents_are_stored_nowhere,
    opening_a_request_hides_its_subjects_in_the_same_step,
    a_request_changes_only_from_the_revision_that_was_read,
    requests_are_listed_newest_first,
}
