//! Spans of time in ISO 8601 notation, counted as calendars count them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Months, Utc};
use custos_core::Timestamp;
use serde::{Serialize, Serializer};

/// A thousand years, far more than any law asks for and far less than calendars can count.
const MONTHS_MAX: u32 = 12_000;
const DAYS_MAX: u32 = 366_000;

/// Whole years, months, weeks and days, such as `P2Y6M` or `P90D` (ISO 8601-1:2019, 5.5.2).
///
/// Months are those of the calendar: one before 31 March is the last day of February. Days have 24
/// hours; a time of day cannot be written, for no retention term is that short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    days: u32,
}

/// A text is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 period of days, weeks, months and years, such as `P2Y6M` or `P90D`")]
pub struct PeriodError;

impl Period {
    /// The instant this long before `now`; none outside of what calendars can count.
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        DateTime::<Utc>::from_timestamp_micros(now.micros())?
            .checked_sub_months(Months::new(self.months))?
            .checked_sub_days(Days::new(self.days.into()))
            .map(Timestamp::from)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let mut rest = text.strip_prefix('P').ok_or(PeriodError)?;
        let (mut months, mut days) = (0_u32, 0_u32);
        // Each at most once, and in this order.
        let mut designators = "YMWD".chars();
        while !rest.is_empty() {
            let digits_end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(PeriodError)?;
            let (digits, tail) = rest.split_at(digits_end);
            let count: u32 = digits.parse().map_err(|_| PeriodError)?;
            let mut after = tail.chars();
            let designator = after.next().ok_or(PeriodError)?;
            if !designators.any(|allowed| allowed == designator) {
                return Err(PeriodError);
            }
            match designator {
                'Y' => months = months.saturating_add(count.saturating_mul(12)),
                'M' => months = months.saturating_add(count),
                'W' => days = days.saturating_add(count.saturating_mul(7)),
                _ => days = days.saturating_add(count),
            }
            rest = after.as_str();
        }
        let some = months > 0 || days > 0;
        let few = months <= MONTHS_MAX && days <= DAYS_MAX;
        (some && few).then_some(Self { months, days }).ok_or(PeriodError)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        for (count, designator) in [(self.months / 12, 'Y'), (self.months % 12, 'M')] {
            if count > 0 {
                write!(f, "{count}{designator}")?;
            }
        }
        if self.days > 0 {
            write!(f, "{}D", self.days)?;
        }
        Ok(())
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn before(period: &str, now: &str) -> String {
        let period: Period = period.parse().unwrap();
        period.before(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn periods_count_as_calendars_do() {
        for (period, now, then) in [
            ("P1Y", "2026-11-22T10:00:00Z", "2025-11-22T10:00:00Z"),
            ("P1Y", "2024-02-29T00:00:00Z", "2023-02-28T00:00:00Z"),
            ("P1M", "2026-03-31T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("P1Y2M", "2026-01-15T00:00:00Z", "2024-11-15T00:00:00Z"),
            ("P2W", "2026-01-15T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("P90D", "2026-04-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("P1000Y", "1970-01-01T00:00:00Z", "0970-01-01T00:00:00Z"),
        ] {
            assert_eq!(before(period, now), then, "{period} before {now}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "P",
            "P0D",
            "1Y",
            "PY",
            "P1",
            "P1D1Y",
            "P1Y1Y",
            "P-1D",
            "P1.5Y",
            "PT24H",
            "p1y",
            "P1Y ",
            "P1001Y",
            "P99999999999D",
            "P4294967295W",
        ] {
            assert_eq!(text.parse::<Period>(), Err(PeriodError), "{text}");
        }
    }

    #[test]
    fn nothing_is_before_the_first_day_of_the_calendar() {
        let period: Period = "P1D".parse().unwrap();
        assert_eq!(period.before(Timestamp::from_micros(i64::MIN)), None);
    }

    proptest! {
        #[test]
        fn periods_print_as_they_are_read(months in 0..MONTHS_MAX, days in 0..DAYS_MAX) {
            prop_assume!(months + days > 0);
            let period = Period { months, days };
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
