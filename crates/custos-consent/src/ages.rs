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

impl FromIterator<(String, AgeLimits)> for AgeRules {
    /// Of several limits in one jurisdiction the strictest hold.
    fn from_iter<I: IntoIterator<Item = (String, AgeLimits)>>(limits: I) -> Self {
        let mut rules = BTreeMap::<String, AgeLimits>::new();
        for (jurisdiction, limits) in limits {
            let known = rules.entry(jurisdiction).or_insert(limits);
            *known = known.stricter(limits);
        }
        Self(rules)
    }
}

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
    /// Of a law that says nothing about the young.
    pub const NONE: Self =
        Self { guardian_below: 0, grant_below: 0, unknown_age: UnknownAge::Adult };

    /// Both.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            guardian_below: self.guardian_below.max(other.guardian_below),
            grant_below: self.grant_below.max(other.grant_below),
            unknown_age: self.unknown_age.max(other.unknown_age),
        }
    }
}

/// What a source knows of a subject's age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgeRecord {
    /// Whose age it is.
    pub rid: Rid,
    /// The day of birth. Where only the year or month is known, the last day of it is the
    /// strictest.
    pub born: Option<NaiveDate>,
    /// Whose laws protect the subject.
    pub jurisdiction: Option<String>,
}

/// How old the subjects of a cell are, as far as consent is concerned.
///
/// A person counts as young if any subject of theirs is known to be; as old enough if some is
/// known to be and none as young; and otherwise as what is presumed of their subjects, which is
/// young if it differs. A subject of whom there is no record is of unknown age and jurisdiction.
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
    presumed_old: RoaringBitmap,
    /// Of unknown age and taken for minors.
    presumed_young: RoaringBitmap,
    /// Whether those of whom there is no record are taken for adults.
    others_are_old: bool,
}

impl Ages {
    /// What these records say under these rules.
    pub fn new(records: &[AgeRecord], rules: &AgeRules) -> Self {
        let others = rules.limits(None);
        let mut ages = Self::default();
        ages.guardian.others_are_old = others.spares_unknown(others.guardian_below);
        ages.grant.others_are_old = others.spares_unknown(others.grant_below);
        for record in records {
            let limits = rules.limits(record.jurisdiction.as_deref());
            ages.insert(record.rid, record.born, limits);
        }
        ages
    }

    /// Adds a subject that is not there yet, born on a day if that is known, under these limits.
    pub fn insert(&mut self, rid: Rid, born: Option<NaiveDate>, limits: AgeLimits) {
        self.guardian.insert(rid, born, limits, limits.guardian_below);
        self.grant.insert(rid, born, limits, limits.grant_below);
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

impl AgeLimits {
    /// Whether somebody of unknown age counts as above one of these limits.
    const fn spares_unknown(self, years: u8) -> bool {
        years == 0 || matches!(self.unknown_age, UnknownAge::Adult)
    }
}

impl Limit {
    fn insert(&mut self, rid: Rid, born: Option<NaiveDate>, limits: AgeLimits, years: u8) {
        let rid = rid.get();
        match born {
            Some(born) if years > 0 => {
                self.known.insert(rid);
                self.reached_at.entry(reaches(born, years)).or_default().insert(rid);
            }
            _ if limits.spares_unknown(years) => {
                self.presumed_old.insert(rid);
            }
            _ => {
                self.presumed_young.insert(rid);
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
        let untold = match self.others_are_old {
            true => everyone & &self.presumed_young,
            false => everyone - &self.known - &self.presumed_old,
        };
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
        let rules: AgeRules = serde_json::from_value(serde_json::json!({
            "minor": {"guardian_below": 14},
            "adult": {"guardian_below": 14, "unknown_age": "adult"},
        }))
        .unwrap();
        let (old, young) = (Some(day("1990-01-01")), Some(day("2020-01-01")));
        let subjects = [
            (old, "minor"),
            (None, "minor"), // known to be old
            (young, "minor"),
            (None, "adult"), // known to be young
            (old, "minor"),
            (young, "adult"), // both: young
            (None, "adult"),
            (None, "adult"), // taken for an adult
            (None, "adult"),
            (None, "minor"), // not agreed: young
        ];
        let record = |(rid, (born, place)): (u32, (Option<NaiveDate>, &str))| AgeRecord {
            rid: Rid::new(rid),
            born,
            jurisdiction: Some(place.to_owned()),
        };
        let records: Vec<_> = (1..).zip(subjects).map(record).collect();
        let pairs = (1..=11).step_by(2).map(|rid| vec![Rid::new(rid), Rid::new(rid + 1)]);
        let persons = PersonMap::from_clusters(pairs);
        let everyone = (1..=12).collect();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let below = |ages: &Ages| {
            ages.guardian().below(&persons, &everyone, now).iter().collect::<Vec<_>>()
        };
        let ages = Ages::new(&records, &rules);
        // Of the last pair there is no record, and where they live is not known.
        assert_eq!(below(&ages), [3, 5, 9, 11]);
        assert!(ages.grant().below(&persons, &everyone, now).is_empty());
        // Where no law takes the unknown for minors, only who is recorded as one is.
        let lenient = [("adult".to_owned(), rules.limits(Some("adult")))].into_iter().collect();
        assert_eq!(below(&Ages::new(&records, &lenient)), [3, 5]);
        assert_eq!(below(&Ages::new(&[], &lenient)), [0_u32; 0]);
        assert_eq!(below(&Ages::new(&[], &AgeRules::default())), [1, 3, 5, 7, 9, 11]);
    }
}
