use proptest::prelude::*;

use super::*;
use crate::persons::PERSONS_LOOKED_UP_MAX;
use crate::testing::{at, event, events, person_maps, purpose};
use crate::{ConsentEvent, ConsentStatus};

const BASES: [RowBasis; 4] =
    [RowBasis::NeedsGrant, RowBasis::UnlessObjected, RowBasis::UnlessRestricted, RowBasis::Always];

fn everyone() -> RoaringBitmap {
    (1..8).collect()
}

/// The merge rule, person by person.
fn naive(
    book: &ConsentBook,
    basis: RowBasis,
    persons: &PersonMap,
    everyone: &RoaringBitmap,
    now: Timestamp,
) -> RoaringBitmap {
    let email = purpose("marketing.email");
    let is_visible = |rid: u32| {
        let members = persons.members(persons.person_of(Rid::new(rid)));
        let states = || members.iter().map(|&member| (member, book.state(member, &email, now)));
        let against = states().any(|(_, state)| state.is_against());
        match basis {
            RowBasis::NeedsGrant => {
                let granted = states().any(|(member, state)| {
                    state == ConsentState::Given && everyone.contains(member.get())
                });
                granted && !against
            }
            RowBasis::UnlessObjected => !against,
            RowBasis::UnlessRestricted => {
                states().all(|(_, state)| state != ConsentState::Restricted)
            }
            RowBasis::Always => true,
        }
    };
    everyone.iter().filter(|&rid| is_visible(rid)).collect()
}

fn visible(book: &ConsentBook, basis: RowBasis, persons: &PersonMap, now: i64) -> RoaringBitmap {
    book.visible(&purpose("marketing.email"), basis, persons, &everyone(), at(now))
}

fn said(rid: u32, status: ConsentStatus) -> ConsentEvent {
    ConsentEvent {
        rid: Rid::new(rid),
        at: at(1),
        purpose: purpose("marketing.email"),
        status,
        expires_at: None,
        notice: None,
        channel: None,
        authority: true,
    }
}

#[test]
fn a_person_needs_one_grant_and_nothing_against_it() {
    let book = ConsentBook::from_events([
        said(1, ConsentStatus::Given),
        said(3, ConsentStatus::Given),
        said(4, ConsentStatus::Refused),
        said(5, ConsentStatus::Expired),
        said(6, ConsentStatus::Given),
    ]);
    let persons = PersonMap::from_clusters([
        vec![Rid::new(1), Rid::new(2)],
        vec![Rid::new(3), Rid::new(4)],
        vec![Rid::new(5), Rid::new(6)],
    ]);
    let seen = |basis| visible(&book, basis, &persons, 9).iter().collect::<Vec<_>>();
    assert_eq!(seen(RowBasis::NeedsGrant), [1, 2, 5, 6]);
    assert_eq!(seen(RowBasis::UnlessObjected), [1, 2, 5, 6, 7]);
    assert_eq!(seen(RowBasis::UnlessRestricted), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_refusal_of_a_subject_that_is_gone_holds_and_its_grant_does_not() {
    let book = ConsentBook::from_events([
        said(1, ConsentStatus::Given),
        said(2, ConsentStatus::Refused),
        said(4, ConsentStatus::Given),
    ]);
    let persons =
        PersonMap::from_clusters([vec![Rid::new(1), Rid::new(2)], vec![Rid::new(3), Rid::new(4)]]);
    let alive: RoaringBitmap = [1, 3].into_iter().collect();
    let email = purpose("marketing.email");
    assert!(book.visible(&email, RowBasis::NeedsGrant, &persons, &alive, at(9)).is_empty());
}

#[test]
fn many_persons_are_found_as_few_are() {
    let count = 3 * u32::try_from(PERSONS_LOOKED_UP_MAX).unwrap();
    let book = ConsentBook::from_events((1..=count).filter(|rid| rid % 2 == 1).map(|rid| {
        said(rid, if rid % 5 == 0 { ConsentStatus::Refused } else { ConsentStatus::Given })
    }));
    let pairs = (1..=count).step_by(2).map(|rid| vec![Rid::new(rid), Rid::new(rid + 1)]);
    let persons = PersonMap::from_clusters(pairs);
    let everyone: RoaringBitmap = (1..=count).collect();
    for basis in BASES {
        let email = purpose("marketing.email");
        assert_eq!(
            book.visible(&email, basis, &persons, &everyone, at(9)),
            naive(&book, basis, &persons, &everyone, at(9))
        );
    }
}

proptest! {
    #[test]
    fn bitmaps_agree_with_the_rule(
        events in events(20),
        persons in person_maps(),
        alive in prop::collection::btree_set(1u32..8, 0..8),
        now in 0i64..12,
    ) {
        let book = ConsentBook::from_events(events);
        let alive: RoaringBitmap = alive.into_iter().collect();
        for basis in BASES {
            let email = purpose("marketing.email");
            prop_assert_eq!(
                book.visible(&email, basis, &persons, &alive, at(now)),
                naive(&book, basis, &persons, &alive, at(now))
            );
        }
    }

    #[test]
    fn saying_no_never_adds_a_visible_subject(
        events in events(20),
        no in event().prop_filter("is no grant", |event| event.status != ConsentStatus::Given),
        persons in person_maps(),
        now in 0i64..12,
    ) {
        let before = ConsentBook::from_events(events);
        let mut after = before.clone();
        after.apply(no);
        for basis in BASES {
            let added = visible(&after, basis, &persons, now) - visible(&before, basis, &persons, now);
            prop_assert!(added.is_empty());
        }
    }

    #[test]
    fn merging_never_shows_who_stands_against_it(
        events in events(20),
        persons in person_maps(),
        now in 0i64..12,
    ) {
        let book = ConsentBook::from_events(events);
        let email = purpose("marketing.email");
        let seen = visible(&book, RowBasis::NeedsGrant, &persons, now)
            | visible(&book, RowBasis::UnlessObjected, &persons, now);
        for rid in seen {
            prop_assert!(!book.state(Rid::new(rid), &email, at(now)).is_against());
        }
    }
}
