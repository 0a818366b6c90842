use chrono::NaiveDate;
use custos_core::{PersonMap, Purpose, Rid, Timestamp};
use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::*;
use crate::testing::{events_on_topics, person_maps, purpose};
use crate::{
    AgeLimits, ConsentBook, ConsentEvent, ConsentState, ConsentStatus, ConsentTopic, RowBasis,
    SeparateConsent, UnknownAge,
};

const BASES: [RowBasis; 4] =
    [RowBasis::NeedsGrant, RowBasis::UnlessObjected, RowBasis::UnlessRestricted, RowBasis::Always];

/// California: a guardian's below 13, their own below 16.
const LIMITS: AgeLimits =
    AgeLimits { guardian_below: 13, grant_below: 16, unknown_age: UnknownAge::Minor };

/// 2026-01-01, in the microseconds that the events of these tests are near to.
const NEW_YEAR: i64 = 1_767_225_600_000_000;

fn at(offset: i64) -> Timestamp {
    Timestamp::from_micros(NEW_YEAR + offset)
}

/// Somebody who is so many years old in the middle of 2026.
fn aged(years: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2026 - years, 2, 1)
}

fn said(rid: u32, name: &str, status: ConsentStatus) -> ConsentEvent {
    ConsentEvent {
        rid: Rid::new(rid),
        at: at(1),
        purpose: purpose(name),
        status,
        expires_at: None,
        notice: None,
        channel: None,
        authority: true,
    }
}

fn seen(book: &ConsentBook, basis: RowBasis, requirements: Requirements<'_>) -> Vec<u32> {
    let everyone = (1..=6).collect();
    let analytics = purpose("analytics");
    let now = at(2 + 200 * 86_400_000_000);
    let persons = PersonMap::default();
    book.visible_under(&analytics, basis, requirements, &persons, &everyone, now).iter().collect()
}

#[test]
fn a_separate_consent_is_needed_besides_the_purposes_own() {
    use ConsentStatus::{Given, Withdrawn};
    let book = ConsentBook::from_events([
        said(1, "analytics", Given),
        said(2, "analytics", Given),
        said(2, "separate.sharing.analytics", Given),
        said(3, "separate.sharing.analytics", Given),
        said(4, "analytics", Given),
        said(4, "separate.sharing", Given),
        said(5, "analytics", Given),
        said(5, "separate.sharing", Given),
        said(5, "separate.sharing.analytics", Withdrawn),
        // Neither a consent to everything that needs one apart, nor one for another purpose.
        said(6, "analytics", Given),
        said(6, "separate", Given),
        said(6, "separate.sharing.marketing", Given),
        said(6, "separate.sensitive_data.analytics", Given),
    ]);
    let sharing = Requirements {
        separate: [SeparateConsent::Sharing].into_iter().collect(),
        ..Requirements::default()
    };
    let both = Requirements {
        separate: SeparateConsent::ALL.into_iter().collect(),
        ..Requirements::default()
    };
    assert_eq!(seen(&book, RowBasis::NeedsGrant, Requirements::default()), [1, 2, 4, 5, 6]);
    assert_eq!(seen(&book, RowBasis::NeedsGrant, sharing), [2, 4]);
    assert_eq!(seen(&book, RowBasis::UnlessObjected, sharing), [2, 3, 4]);
    assert_eq!(seen(&book, RowBasis::NeedsGrant, both), [0u32; 0]);
    assert_eq!(seen(&book, RowBasis::Always, both), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_childs_own_grant_does_not_count_and_a_guardians_does() {
    use ConsentStatus::{Given, Objected};
    let mut ages = Ages::default();
    for (rid, years) in [(1, 12), (2, 12), (3, 12), (4, 14), (5, 30), (6, 30)] {
        ages.insert(Rid::new(rid), aged(years), LIMITS);
    }
    let book = ConsentBook::from_events([
        said(1, "analytics", Given),
        said(2, "guardian.analytics", Given),
        said(3, "guardian.analytics", Given),
        said(3, "analytics", Objected),
        said(5, "guardian.analytics", Given),
        said(6, "guardian.analytics", Objected),
        said(6, "analytics", Given),
    ]);
    let requirements = Requirements { ages: Some(&ages), ..Requirements::default() };
    assert_eq!(seen(&book, RowBasis::NeedsGrant, requirements), [2, 6]);
    // At 14 an objection is not enough: a grant is needed, and there is none.
    assert_eq!(seen(&book, RowBasis::UnlessObjected, requirements), [2, 5, 6]);
    assert_eq!(seen(&book, RowBasis::UnlessRestricted, requirements), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_subject_of_unknown_age_is_a_child_where_the_law_does_not_say_otherwise() {
    let book =
        ConsentBook::from_events((1..=3).map(|rid| said(rid, "analytics", ConsentStatus::Given)));
    let mut ages = Ages::default();
    ages.insert(Rid::new(1), None, LIMITS);
    ages.insert(Rid::new(2), None, AgeLimits { unknown_age: UnknownAge::Adult, ..LIMITS });
    let requirements = Requirements { ages: Some(&ages), ..Requirements::default() };
    assert_eq!(seen(&book, RowBasis::NeedsGrant, requirements), [2]);
    assert_eq!(seen(&book, RowBasis::UnlessObjected, requirements), [2]);
}

#[test]
fn a_birthday_is_a_change_like_an_expiry() {
    let mut ages = Ages::default();
    ages.insert(Rid::new(1), NaiveDate::from_ymd_opt(2013, 3, 1), LIMITS);
    let book = ConsentBook::from_events([
        said(1, "analytics", ConsentStatus::Given),
        ConsentEvent {
            expires_at: Some(at(9)),
            ..said(1, "guardian.separate.sharing", ConsentStatus::Given)
        },
    ]);
    let next = |separate: &[SeparateConsent], ages, now| {
        book.next_change_under(
            &purpose("analytics"),
            Requirements { separate: separate.iter().copied().collect(), ages },
            now,
        )
    };
    let sharing = &[SeparateConsent::Sharing];
    let birthday = |text: &str| Some(text.parse().unwrap());
    assert_eq!(next(&[], None, at(2)), None);
    assert_eq!(next(sharing, None, at(2)), None);
    assert_eq!(next(sharing, Some(&ages), at(2)), Some(at(9)));
    assert_eq!(next(sharing, Some(&ages), at(9)), birthday("2026-03-01T12:00:00Z"));
    let thirteen = "2026-03-01T12:00:00Z".parse().unwrap();
    assert_eq!(next(&[], Some(&ages), thirteen), birthday("2029-03-01T12:00:00Z"));
}

#[test]
fn a_purpose_that_guardians_have_no_name_for_shows_no_child() {
    let long: Purpose = "a".repeat(119).parse().unwrap();
    let book = ConsentBook::from_events([ConsentEvent {
        purpose: long.clone(),
        ..said(1, "analytics", ConsentStatus::Given)
    }]);
    let ages = Ages::default();
    let requirements = Requirements { ages: Some(&ages), ..Requirements::default() };
    let everyone = (1..=2).collect();
    for basis in BASES.into_iter().filter(|&basis| basis != RowBasis::Always) {
        let persons = PersonMap::default();
        let visible = book.visible_under(&long, basis, requirements, &persons, &everyone, at(2));
        assert!(visible.is_empty(), "{basis:?}");
    }
}

/// What is known of a subject's age: nothing, not even that it is one, or a year of birth.
#[derive(Debug, Clone, Copy)]
enum Known {
    Absent,
    Unknown(UnknownAge),
    Born(Option<NaiveDate>),
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![
        Just(Known::Absent),
        prop::sample::select(vec![UnknownAge::Adult, UnknownAge::Minor]).prop_map(Known::Unknown),
        prop::sample::select(vec![10, 13, 14, 16, 40]).prop_map(|years| Known::Born(aged(years))),
    ]
}

fn ages_of(subjects: &[Known]) -> Ages {
    let mut ages = Ages::default();
    for (rid, known) in (1..).zip(subjects) {
        match *known {
            Known::Absent => {}
            Known::Unknown(unknown_age) => {
                ages.insert(Rid::new(rid), None, AgeLimits { unknown_age, ..LIMITS });
            }
            Known::Born(born) => ages.insert(Rid::new(rid), born, LIMITS),
        }
    }
    ages
}

/// A small cell, to be asked person by person.
struct Cell {
    book: ConsentBook,
    persons: PersonMap,
    everyone: RoaringBitmap,
    known: Vec<Known>,
    now: Timestamp,
}

impl Cell {
    fn is_below(&self, members: &[Rid], years: i32) -> bool {
        let of = |rid: &Rid| self.known.get(rid.get() as usize - 1).copied();
        let known = || members.iter().map(|rid| of(rid).unwrap_or(Known::Absent));
        let born = known().filter_map(|known| match known {
            Known::Born(born) => born,
            Known::Absent | Known::Unknown(_) => None,
        });
        let of_age = |born: NaiveDate| {
            use chrono::Datelike;
            let birthday = born.with_year(born.year() + years).unwrap().and_hms_opt(12, 0, 0);
            Timestamp::from(birthday.unwrap().and_utc()) <= self.now
        };
        let of_age: Vec<_> = born.map(of_age).collect();
        if !of_age.is_empty() {
            return of_age.contains(&false);
        }
        let mut living = members.iter().filter(|rid| self.everyone.contains(rid.get()));
        living.any(|rid| !matches!(of(rid), Some(Known::Unknown(UnknownAge::Adult))))
    }

    fn states(&self, members: &[Rid], topic: &ConsentTopic) -> Vec<(Rid, ConsentState)> {
        let name = topic.name().unwrap();
        members.iter().map(|&rid| (rid, self.book.state(rid, &name, self.now))).collect()
    }

    fn consents(&self, members: &[Rid], topic: &ConsentTopic, is_child: bool) -> bool {
        let heard = ConsentTopic { by_guardian: is_child, ..topic.clone() };
        let granted = self
            .states(members, &heard)
            .into_iter()
            .any(|(rid, state)| state == ConsentState::Given && self.everyone.contains(rid.get()));
        granted && !self.is_any(members, topic, is_child, ConsentState::is_against)
    }

    fn is_any(
        &self,
        members: &[Rid],
        topic: &ConsentTopic,
        is_child: bool,
        test: fn(ConsentState) -> bool,
    ) -> bool {
        let guardian = ConsentTopic { by_guardian: true, ..topic.clone() };
        let topics = if is_child { vec![topic.clone(), guardian] } else { vec![topic.clone()] };
        topics.iter().flat_map(|topic| self.states(members, topic)).any(|(_, state)| test(state))
    }

    fn shows(&self, rid: u32, basis: RowBasis, separate: &[SeparateConsent], by_age: bool) -> bool {
        let members = self.persons.members(self.persons.person_of(Rid::new(rid)));
        let is_child = by_age && self.is_below(&members, 13);
        let needs_grant = by_age && self.is_below(&members, 16);
        let own = ConsentTopic::own(purpose("analytics"));
        let is_restricted = |state| state == ConsentState::Restricted;
        let by_basis = match basis {
            RowBasis::Always => return true,
            RowBasis::NeedsGrant => self.consents(&members, &own, is_child),
            RowBasis::UnlessObjected => {
                !self.is_any(&members, &own, is_child, ConsentState::is_against)
                    && (!needs_grant || self.consents(&members, &own, is_child))
            }
            RowBasis::UnlessRestricted => !self.is_any(&members, &own, is_child, is_restricted),
        };
        by_basis
            && separate.iter().all(|&kind| {
                let topic = ConsentTopic { separate: Some(kind), ..own.clone() };
                self.consents(&members, &topic, is_child)
            })
    }
}

fn near_new_year(mut events: Vec<ConsentEvent>) -> Vec<ConsentEvent> {
    for event in &mut events {
        event.at = at(event.at.micros());
        event.expires_at = event.expires_at.map(|until| at(until.micros()));
    }
    events
}

const DAY: i64 = 86_400_000_000;

proptest! {
    #[test]
    fn bitmaps_agree_with_the_rule(
        events in events_on_topics(24),
        persons in person_maps(),
        alive in prop::collection::btree_set(1u32..8, 0..8),
        known in prop::collection::vec(known(), 6),
        separate in prop::sample::subsequence(SeparateConsent::ALL.to_vec(), 0..3),
        by_age in any::<bool>(),
        (micros, days) in (0i64..12, prop::sample::select(vec![0, 100])),
    ) {
        let cell = Cell {
            book: ConsentBook::from_events(near_new_year(events)),
            persons,
            everyone: alive.into_iter().collect(),
            known,
            now: at(micros + days * DAY),
        };
        let ages = ages_of(&cell.known);
        let requirements = Requirements { separate: separate.iter().copied().collect(), ages: by_age.then_some(&ages) };
        for basis in BASES {
            let analytics = purpose("analytics");
            let visible = cell.book.visible_under(
                &analytics, basis, requirements, &cell.persons, &cell.everyone, cell.now,
            );
            let everyone = cell.everyone.iter();
            let expected: RoaringBitmap =
                everyone.filter(|&rid| cell.shows(rid, basis, &separate, by_age)).collect();
            prop_assert_eq!(visible, expected);
        }
    }

    #[test]
    fn to_ask_for_more_never_shows_more(
        events in events_on_topics(24),
        persons in person_maps(),
        known in prop::collection::vec(known(), 6),
        more in prop::sample::subsequence(SeparateConsent::ALL.to_vec(), 0..=3),
        micros in 0i64..12,
    ) {
        let book = ConsentBook::from_events(near_new_year(events));
        let ages = ages_of(&known);
        let everyone: RoaringBitmap = (1..8).collect();
        let analytics = purpose("analytics");
        let visible = |basis, requirements| {
            book.visible_under(&analytics, basis, requirements, &persons, &everyone, at(micros))
        };
        for basis in BASES {
            for ages in [None, Some(&ages)] {
                let less = visible(basis, Requirements { ages, ..Requirements::default() });
                let more = visible(basis, Requirements { separate: more.iter().copied().collect(), ages });
                prop_assert!(more.is_subset(&less));
            }
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change(
        events in events_on_topics(24),
        persons in person_maps(),
        known in prop::collection::vec(known(), 6),
        separate in prop::sample::subsequence(SeparateConsent::ALL.to_vec(), 0..3),
        micros in 0i64..12,
        later in prop::sample::select(vec![1, 3, 9, 20 * DAY, 40 * DAY, 800 * DAY]),
    ) {
        let book = ConsentBook::from_events(near_new_year(events));
        let ages = ages_of(&known);
        let requirements = Requirements { separate: separate.iter().copied().collect(), ages: Some(&ages) };
        let analytics = purpose("analytics");
        let everyone = (1..8).collect();
        let visible = |now| BASES.map(|basis| {
            book.visible_under(&analytics, basis, requirements, &persons, &everyone, now)
        });
        let (now, later) = (at(micros), at(micros + later));
        let next = book.next_change_under(&analytics, requirements, now);
        if next.is_none_or(|next| next > later) {
            prop_assert_eq!(visible(later), visible(now));
        }
    }
}
