use custos_consent::{ConsentEvent, ConsentStatus};
use custos_core::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::testing::{at, new_store, rids};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_holds_the_same_book_as_memory_does(
        calls in prop::collection::vec(prop::collection::vec(event(), 0..12), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (home, store) = new_store().await;
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
            let mut history = again.consent_history(&rids(&[2, 1, 2])).await.unwrap();
            assert!(history.is_sorted_by_key(|event| (event.rid, event.at)));
            history.sort();
            assert!(history.into_iter().eq(all));
        });
    }
}
