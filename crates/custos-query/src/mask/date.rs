//! The mask for dates and instants.

use chrono::{DateTime, Datelike, NaiveDate};

use super::HIDDEN;

/// What is left of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Month,
    Year,
}

/// The first day of the month or year of a day; both in days since 1970.
pub(super) fn days(days: i32, grain: Grain) -> Option<i32> {
    // 719,163 days lie between the calendar's first day and 1970.
    let from_first = days.checked_add(719_163)?;
    let start = start(NaiveDate::from_num_days_from_ce_opt(from_first)?, grain)?;
    start.num_days_from_ce().checked_sub(719_163)
}

/// The first instant, in UTC, of the month or year of an instant; both in microseconds since 1970.
pub(super) fn micros(micros: i64, grain: Grain) -> Option<i64> {
    let day = DateTime::from_timestamp_micros(micros)?.date_naive();
    Some(start(day, grain)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// `2026` or `2026-03`, of `2026-03-14` and of what else begins with year and month as numbers.
pub(super) fn text(value: &str, grain: Grain) -> String {
    let shown = match grain {
        Grain::Year => year_and_month(value).map(|(year, _)| format!("{year:04}")),
        Grain::Month => year_and_month(value)
            .and_then(|(year, month)| month.map(|month| format!("{year:04}-{month:02}"))),
    };
    shown.unwrap_or_else(|| HIDDEN.to_owned())
}

fn start(day: NaiveDate, grain: Grain) -> Option<NaiveDate> {
    let first = day.with_day(1)?;
    match grain {
        Grain::Month => Some(first),
        Grain::Year => first.with_month(1),
    }
}

/// The year, and the month if there is one, of `2026-03-14`, `2026/3/14`, `2026年3月14日`,
/// `20260314` and `2026`. What is written otherwise may begin with something else than a year.
fn year_and_month(value: &str) -> Option<(u16, Option<u8>)> {
    let (number, rest) = leading_number(value.trim_start());
    let (year, month) = match number.len() {
        4 => (number, leading_number(rest.strip_prefix(['-', '/', '.', '年']).unwrap_or("")).0),
        8 if rest.is_empty() => number.split_at_checked(4)?,
        _ => return None,
    };
    let month = month.get(..2).unwrap_or(month).parse().ok();
    Some((year.parse().ok()?, month.filter(|month| (1..=12).contains(month))))
}

fn leading_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_the_first_of_their_month_or_year() {
        for (day, month, year) in [
            (20_526, 20_513, 20_454), // 2026-03-14
            (0, 0, 0),
            (-1, -31, -365), // 1969-12-31
            (59, 59, 0),     // 1970-03-01
        ] {
            assert_eq!(days(day, Grain::Month), Some(month), "{day}");
            assert_eq!(days(day, Grain::Year), Some(year), "{day}");
        }
        assert_eq!(days(i32::MAX, Grain::Year), None);
        assert_eq!(days(i32::MIN, Grain::Month), None);
    }

    #[test]
    fn instants_become_the_first_of_their_month_or_year_in_utc() {
        let day = 86_400_000_000;
        assert_eq!(micros(20_526 * day + 1, Grain::Month), Some(20_513 * day));
        assert_eq!(micros(20_454 * day - 1, Grain::Year), Some(20_089 * day));
        assert_eq!(micros(-1, Grain::Month), Some(-31 * day));
        assert_eq!(micros(i64::MAX, Grain::Year), None);
    }

    #[test]
    fn texts_are_cut_if_they_begin_with_a_year() {
        for (raw, month, year) in [
            ("2026-03-14", "2026-03", "2026"),
            ("2026-03-14T10:00:00+08:00", "2026-03", "2026"),
            ("2026/3/14", "2026-03", "2026"),
            ("2026年3月14日", "2026-03", "2026"),
            ("20260314", "2026-03", "2026"),
            ("1985", "***", "1985"),
            ("1985-13-01", "***", "1985"),
            ("14.03.2026", "***", "***"),
            ("20260314120000", "***", "***"),
            ("13812345678", "***", "***"),
            ("spring", "***", "***"),
            ("", "***", "***"),
        ] {
            assert_eq!(text(raw, Grain::Month), month, "{raw}");
            assert_eq!(text(raw, Grain::Year), year, "{raw}");
        }
    }
}
