//! Small worlds for the tests: few subjects, purposes and instants, so that they collide.

use custos_core::{PersonMap, Purpose, Rid, Timestamp};
use proptest::prelude::*;

use crate::{ConsentEvent, ConsentStatus};

pub(crate) fn purpose(name: &str) -> Purpose {
    name.parse().unwrap()
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Up to `count_max` events of subjects 1 to 6.
pub(crate) fn events(count_max: usize) -> impl Strategy<Value = Vec<ConsentEvent>> {
    prop::collection::vec(event(), 0..=count_max)
}

pub(crate) fn event() -> impl Strategy<Value = ConsentEvent> {
    let purposes = prop::sample::select(vec!["marketing", "marketing.email", "analytics"]);
    let statuses = prop::sample::select(ConsentStatus::ALL.to_vec());
    (1u32..7, 0i64..8, purposes, statuses, prop::option::of(0i64..12), prop::bool::weighted(0.8))
        .prop_map(|(rid, instant, name, status, expires_at, authority)| ConsentEvent {
            rid: Rid::new(rid),
            at: at(instant),
            purpose: purpose(name),
            status,
            expires_at: expires_at.map(at),
            notice: None,
            channel: None,
            authority,
        })
}

/// The lines of a file of the sample data; none if there is no such data.
pub(crate) fn vectors(file: &str) -> Vec<serde_json::Value> {
    let Some(folder) = custos_testkit::data_dir() else { return Vec::new() };
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let vectors: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!vectors.is_empty());
    vectors
}

/// Bits, as zeros and ones, in the base64url of the IAB's strings.
pub(crate) fn base64url(bits: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<_> = bits.bytes().filter(|bit| !bit.is_ascii_whitespace()).collect();
    let value = |sextet: &[u8]| {
        (0..6).fold(0, |value, place| value << 1 | usize::from(sextet.get(place) == Some(&b'1')))
    };
    bits.chunks(6).map(|sextet| char::from(ALPHABET[value(sextet)])).collect()
}

/// Up to `count_max` events of subjects 1 to 6 about `analytics`, its separate consents and what
/// guardians say about them.
pub(crate) fn events_on_topics(count_max: usize) -> impl Strategy<Value = Vec<ConsentEvent>> {
    let names = prop::sample::select(vec![
        "analytics",
        "separate",
        "separate.sharing",
        "separate.sharing.analytics",
        "separate.cross_border.analytics",
        "separate.sharing.marketing",
        "guardian",
        "guardian.analytics",
        "guardian.separate.sharing",
        "guardian.separate",
    ]);
    // Grants are what all the rest takes back, so there are more of them than of any other.
    let said = |(event, name, is_grant): (ConsentEvent, &str, bool)| ConsentEvent {
        purpose: purpose(name),
        status: if is_grant { ConsentStatus::Given } else { event.status },
        ..event
    };
    let on_topic = (event(), names, prop::bool::weighted(0.6)).prop_map(said);
    prop::collection::vec(on_topic, 0..=count_max)
}

/// Any division of the subjects 1 to 6 into persons.
pub(crate) fn person_maps() -> impl Strategy<Value = PersonMap> {
    prop::collection::vec(0usize..6, 6).prop_map(|labels| {
        let mut clusters = vec![Vec::new(); 6];
        for (rid, label) in (1..).zip(labels) {
            clusters[label].push(Rid::new(rid));
        }
        PersonMap::from_clusters(clusters)
    })
}
