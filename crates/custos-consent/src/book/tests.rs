use proptest::prelude::*;

use super::*;
use crate::ConsentStatus;
use crate::testing::{at, events, purpose};

fn event(status: ConsentStatus, instant: i64) -> ConsentEvent {
    ConsentEvent {
        rid: Rid::new(1),
        at: at(instant),
        purpose: purpose("marketing.email"),
        status,
        expires_at: None,
        notice: None,
        channel: None,
        authority: true,
    }
}

fn state_after(events: &[ConsentEvent], now: i64) -> ConsentState {
    ConsentBook::from_events(events.iter().cloned()).state(
        Rid::new(1),
        &purpose("marketing.email"),
        at(now),
    )
}

#[test]
fn the_latest_event_wins_and_at_equal_times_the_more_restrictive() {
    use ConsentStatus::{Given, Objected, Refused, Withdrawn};
    assert_eq!(state_after(&[], 9), ConsentState::Absent);
    assert_eq!(state_after(&[event(Refused, 1), event(Given, 2)], 9), ConsentState::Given);
    assert_eq!(state_after(&[event(Given, 1), event(Withdrawn, 2)], 9), ConsentState::Withdrawn);
    assert_eq!(state_after(&[event(Given, 2), event(Refused, 2)], 9), ConsentState::Refused);
    assert_eq!(state_after(&[event(Objected, 2), event(Refused, 2)], 9), ConsentState::Objected);
}

#[test]
fn what_is_not_a_grant_never_loosens() {
    use ConsentStatus::{Expired, Given, Refused, Restricted, Withdrawn};
    assert_eq!(
        state_after(&[event(Restricted, 1), event(Withdrawn, 2)], 9),
        ConsentState::Restricted
    );
    assert_eq!(state_after(&[event(Refused, 1), event(Expired, 2)], 9), ConsentState::Refused);
    assert_eq!(
        state_after(&[event(Restricted, 1), event(Given, 2), event(Withdrawn, 3)], 9),
        ConsentState::Withdrawn
    );
}

#[test]
fn a_grant_needs_authority_and_a_refusal_does_not() {
    let without = |status, instant| ConsentEvent { authority: false, ..event(status, instant) };
    assert_eq!(state_after(&[without(ConsentStatus::Given, 1)], 9), ConsentState::Absent);
    assert_eq!(
        state_after(&[event(ConsentStatus::Given, 1), without(ConsentStatus::Refused, 2)], 9),
        ConsentState::Refused
    );
    assert_eq!(
        state_after(&[event(ConsentStatus::Refused, 1), without(ConsentStatus::Given, 2)], 9),
        ConsentState::Refused
    );
}

#[test]
fn a_grant_runs_out_at_its_instant_and_the_book_says_when() {
    let grant = ConsentEvent { expires_at: Some(at(5)), ..event(ConsentStatus::Given, 1) };
    assert_eq!(state_after(std::slice::from_ref(&grant), 4), ConsentState::Given);
    assert_eq!(state_after(std::slice::from_ref(&grant), 5), ConsentState::Expired);

    let later = ConsentEvent {
        rid: Rid::new(2),
        expires_at: Some(at(8)),
        ..event(ConsentStatus::Given, 1)
    };
    let withdrawn = ConsentEvent {
        rid: Rid::new(3),
        expires_at: Some(at(2)),
        ..event(ConsentStatus::Given, 0)
    };
    let taken_back = ConsentEvent { rid: Rid::new(3), ..event(ConsentStatus::Withdrawn, 1) };
    let book = ConsentBook::from_events([later, grant, withdrawn, taken_back]);
    let email = purpose("marketing.email");
    assert_eq!(book.next_change(&email, at(1)), Some(at(5)));
    assert_eq!(book.next_change(&email, at(5)), Some(at(8)));
    assert_eq!(book.next_change(&email, at(8)), None);
    assert_eq!(book.next_change(&purpose("analytics"), at(1)), None);
}

#[test]
fn an_event_covers_the_purposes_within_its_own_and_no_others() {
    let book = ConsentBook::from_events([
        event(ConsentStatus::Given, 1),
        ConsentEvent { purpose: purpose("marketing"), ..event(ConsentStatus::Withdrawn, 2) },
    ]);
    let state = |name| book.state(Rid::new(1), &purpose(name), at(9));
    assert_eq!(state("marketing"), ConsentState::Withdrawn);
    assert_eq!(state("marketing.email"), ConsentState::Withdrawn);
    assert_eq!(state("marketing.email.daily"), ConsentState::Withdrawn);
    assert_eq!(state("market"), ConsentState::Absent);

    let narrow = ConsentBook::from_events([event(ConsentStatus::Given, 1)]);
    assert_eq!(narrow.state(Rid::new(1), &purpose("marketing"), at(9)), ConsentState::Absent);
}

#[test]
fn an_event_about_nobody_is_left_out() {
    let nobody = ConsentEvent { rid: Rid::NONE, ..event(ConsentStatus::Given, 1) };
    assert_eq!(ConsentBook::from_events([nobody]), ConsentBook::default());
}

/// The rule read out loud: the latest grant, unless something restrictive is as late or later.
fn naive_state(
    events: &[ConsentEvent],
    rid: Rid,
    purpose: &Purpose,
    now: Timestamp,
) -> ConsentState {
    let covering =
        || events.iter().filter(|event| event.rid == rid && purpose.is_within(&event.purpose));
    let grant = covering()
        .filter(|event| event.status == ConsentStatus::Given && event.authority)
        .max_by_key(|event| {
            (event.at, std::cmp::Reverse(event.expires_at.map_or(i64::MAX, Timestamp::micros)))
        });
    let ending = covering()
        .filter(|event| event.status != ConsentStatus::Given)
        .filter(|event| grant.is_none_or(|grant| event.at >= grant.at))
        .map(|event| event.status)
        .max();
    match (ending, grant) {
        (Some(ConsentStatus::Restricted), _) => ConsentState::Restricted,
        (Some(ConsentStatus::Objected), _) => ConsentState::Objected,
        (Some(ConsentStatus::Withdrawn), _) => ConsentState::Withdrawn,
        (Some(ConsentStatus::Refused), _) => ConsentState::Refused,
        (Some(ConsentStatus::Expired), _) => ConsentState::Expired,
        (Some(ConsentStatus::Given), _) => unreachable!("filtered out"),
        (None, None) => ConsentState::Absent,
        (None, Some(grant)) if grant.expires_at.is_some_and(|until| until <= now) => {
            ConsentState::Expired
        }
        (None, Some(_)) => ConsentState::Given,
    }
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_changes_the_book(
        (events, shuffled) in events(20).prop_flat_map(|events| {
            (Just(events.clone()), Just(events).prop_shuffle())
        }),
    ) {
        let book = ConsentBook::from_events(events.iter().cloned());
        prop_assert_eq!(&ConsentBook::from_events(shuffled.clone()), &book);
        prop_assert_eq!(&ConsentBook::from_events(events.into_iter().chain(shuffled)), &book);
    }

    #[test]
    fn states_agree_with_the_rule(events in events(20), now in 0i64..12) {
        let book = ConsentBook::from_events(events.iter().cloned());
        for rid in (1..7).map(Rid::new) {
            for name in ["marketing", "marketing.email", "analytics"] {
                let purpose = purpose(name);
                prop_assert_eq!(
                    book.state(rid, &purpose, at(now)),
                    naive_state(&events, rid, &purpose, at(now))
                );
            }
            let history = book.history(rid);
            prop_assert!(history.is_sorted() && history.iter().all(|event| event.rid == rid));
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change(events in events(20), now in 0i64..12) {
        let book = ConsentBook::from_events(events);
        let email = purpose("marketing.email");
        let states = |now| (1..7).map(|rid| book.state(Rid::new(rid), &email, at(now))).collect::<Vec<_>>();
        let next = book.next_change(&email, at(now)).map(Timestamp::micros);
        for later in now..next.unwrap_or(20) {
            prop_assert_eq!(states(later), states(now));
        }
        if let Some(next) = next {
            prop_assert_ne!(states(next), states(now));
        }
    }
}
