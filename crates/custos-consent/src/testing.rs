//! Small worlds for the tests: few subjects, purposes and instants, so that they collide.

use custos_core::{Purpose, Rid, Timestamp};
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
