//! Who is too young to consent alone.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use custos_core::{PersonMap, Rid, Timestamp};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::persons::persons_of;

/// What a law says about the young, in whole years of age.
///
/// GDPR Art. 8 has a guardian consent below 16, or what the member state says down to 13; PIPL
/// Art. 31 below 14; CCPA § 1798.120(c) below 13, and wants the consent of those below 16 where
/// others need but opt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeLimits {
    /// Below this age only a guardian's grant counts.
    pub guardian_below: u8,
    /// Below this age a grant is needed even for what rests on a legitimate interest.
    #[serde(default)]
    pub grant_below: u8,
    /// What a person of unknown age is taken for.
    #[serde(default)]
    pub unknown_age: UnknownAge,
}

/// What a person of unknown age is taken for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownAge {
    /// Somebody above every limit: laws that ask for actual knowledge of a young age.
    Adult,
    /// Somebody below every limit.
    #[default]
    Minor,
}

/// The limits by jurisdiction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgeRules(BTreeMap<String, AgeLimits>);

impl AgeRules {
    /// The limits in a jurisdiction; in one that is not known, the strictest of all.
    pub fn limits(&self, jurisdiction: Option<&str>) -> AgeLimits {
        let known = jurisdiction.and_then(|place| self.0.get(place)).copied();
        known.or_else(|| self.0.values().copied().reduce(AgeLimits::stricter)).unwrap_or(MAJORITY)
    }
}

/// For want of any rule: the age of majority.
const MAJORITY: AgeLimits =
    AgeLimits { guardian_below: 18, grant_below: 18, unknown_age: UnknownAge::Minor };

impl AgeLimits {
    fn stricter(self, other: Self) -> Self {
        Self {
            guardian_below: self.guardian_below.max(other.guardian_below),
            grant_below: self.grant_below.max(other.grant_below),
            unknown_age: self.unknown_age.max(other.unknown_age),
        }
    }
}

/// How old the subjects of a cell are, as far as consent is concerned.
///
/// A person counts as young if any subject of theirs is known to be; as old enough if some is
/// known to be and none as young; and otherwise as what is presumed of their subjects, which is
/// young if it differs. Of a subject that was never inserted, youth is presumed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ages {
    guardian: Limit,
    grant: Limit,
}

/// One limit of age, and when subjects reach it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limit {
    reached_at: BTreeMap<Timestamp, RoaringBitmap>,
    /// All of the above.
    known: RoaringBitmap,
    /// Of unknown age and taken for adults, or under a law without this limit.
    presumed: RoaringBitmap,
}

impl Ages {
    /// Adds a subject, born on a day if that is known, under these limits.
    ///
    /// Where only the year or month is known, the last day of it is the strictest.
    pub fn insert(&mut self, rid: Rid, born: Option<NaiveDate>, limits: AgeLimits) {
        let is_adult = limits.unknown_age == UnknownAge::Adult;
        self.guardian.insert(rid, born, limits.guardian_below, is_adult);
        self.grant.insert(rid, born, limits.grant_below, is_adult);
    }

    /// The next instant at which somebody reaches an age that counts.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let next =
            |limit: &Limit| limit.reached_at.range(later_than(now)).next().map(|(&at, _)| at);
        [next(&self.guardian), next(&self.grant)].into_iter().flatten().min()
    }

    /// The limit below which a guardian consents.
    pub(crate) const fn guardian(&self) -> &Limit {
        &self.guardian
    }

    /// The limit below which a grant is needed whatever the basis.
    pub(crate) const fn grant(&self) -> &Limit {
        &self.grant
    }
}

impl Limit {
    fn insert(&mut self, rid: Rid, born: Option<NaiveDate>, years: u8, is_adult: bool) {
        match born {
            _ if years == 0 => {
                self.presumed.insert(rid.get());
            }
            None if is_adult => {
                self.presumed.insert(rid.get());
            }
            None => {}
            Some(born) => {
                self.known.insert(rid.get());
                self.reached_at.entry(reaches(born, years)).or_default().insert(rid.get());
            }
        }
    }

    /// The persons, by number and with a subject in `everyone`, who are below the limit.
    pub(crate) fn below(
        &self,
        persons: &PersonMap,
        everyone: &RoaringBitmap,
        now: Timestamp,
    ) -> RoaringBitmap {
        let mut young = RoaringBitmap::new();
        for subjects in self.reached_at.range(later_than(now)).map(|(_, subjects)| subjects) {
            young |= subjects;
        }
        let mut below = persons_of(&young, persons);
        let untold = everyone - &self.known - &self.presumed;
        if !untold.is_empty() {
            let old = persons_of(&(&self.known - &young), persons);
            below |= persons_of(&untold, persons) - old;
        }
        below
    }
}

/// The instants after `now`.
const fn later_than(now: Timestamp) -> (std::ops::Bound<Timestamp>, std::ops::Bound<Timestamp>) {
    (std::ops::Bound::Excluded(now), std::ops::Bound::Unbounded)
}

/// When somebody born on a day is `years` old wherever they live: once that day has begun in the
/// last time zone, twelve hours behind UTC. Whoever was born on 29 February waits for 1 March.
fn reaches(born: NaiveDate, years: u8) -> Timestamp {
    let months = Months::new(u32::from(years) * 12);
    let birthday = born
        .checked_add_months(months)
        .and_then(|day| if day.day() < born.day() { day.succ_opt() } else { Some(day) });
    let midnight = birthday.map(|day| Timestamp::from(day.and_time(NaiveTime::MIN).and_utc()));
    midnight.map_or(Timestamp::from_micros(i64::MAX), |at| at.plus_seconds(12 * 3_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn an_age_is_reached_once_the_birthday_has_begun_everywhere() {
        let at = |born, years| reaches(day(born), years).to_string();
        assert_eq!(at("2012-05-01", 14), "2026-05-01T12:00:00Z");
        assert_eq!(at("2012-02-29", 14), "2026-03-01T12:00:00Z");
        assert_eq!(at("2012-02-29", 16), "2028-02-29T12:00:00Z");
        assert_eq!(reaches(NaiveDate::MAX, 14), Timestamp::from_micros(i64::MAX));
    }

    #[test]
    fn an_unknown_jurisdiction_has_the_strictest_limits() {
        let rules: AgeRules = serde_json::from_value(serde_json::json!({
            "cn": {"guardian_below": 14},
            "eu": {"guardian_below": 16},
            "us": {"guardian_below": 13, "grant_below": 16, "unknown_age": "adult"},
        }))
        .unwrap();
        assert_eq!(rules.limits(Some("cn")).guardian_below, 14);
        assert_eq!(rules.limits(Some("us")).unknown_age, UnknownAge::Adult);
        let strictest =
            AgeLimits { guardian_below: 16, grant_below: 16, unknown_age: UnknownAge::Minor };
        assert_eq!(rules.limits(Some("atlantis")), strictest);
        assert_eq!(rules.limits(None), strictest);
        assert_eq!(AgeRules::default().limits(Some("cn")), MAJORITY);
    }

    #[test]
    fn what_is_known_of_a_person_goes_before_what_is_presumed() {
        const MINOR: AgeLimits =
            AgeLimits { guardian_below: 14, grant_below: 0, unknown_age: UnknownAge::Minor };
        const ADULT: AgeLimits = AgeLimits { unknown_age: UnknownAge::Adult, ..MINOR };
        let (old, young) = (Some(day("1990-01-01")), Some(day("2020-01-01")));
        let subjects = [
            (old, MINOR),
            (None, MINOR), // known to be old
            (young, MINOR),
            (None, ADULT), // known to be young
            (old, MINOR),
            (young, ADULT), // both: young
            (None, ADULT),
            (None, ADULT), // taken for an adult
            (None, ADULT),
            (None, MINOR), // not agreed: young
        ];
        let mut ages = Ages::default();
        for (rid, (born, limits)) in (1..).zip(subjects) {
            ages.insert(Rid::new(rid), born, limits);
        }
        let pairs = (1..=11).step_by(2).map(|rid| vec![Rid::new(rid), Rid::new(rid + 1)]);
        let everyone = (1..=12).collect();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let below = ages.guardian().below(&PersonMap::from_clusters(pairs), &everyone, now);
        // The last pair was never inserted.
        assert_eq!(below.iter().collect::<Vec<_>>(), [3, 5, 9, 11]);
        assert!(ages.grant().below(&PersonMap::default(), &(1..=10).collect(), now).is_empty());
    }
}
