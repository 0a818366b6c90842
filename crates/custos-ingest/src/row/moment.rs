//! Dates and instants from text.

use std::fmt::Write as _;

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::number;

/// How a column writes dates or instants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MomentFormat {
    /// `2026-03-01` for dates, RFC 3339 for instants.
    Standard,
    /// Seconds since 1970, with up to six digits after the point.
    UnixSeconds,
    /// Milliseconds since 1970, with up to three digits after the point.
    UnixMillis,
    /// A pattern of the contract.
    Pattern(MomentPattern),
}

/// A strftime pattern known to hold a whole date.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MomentPattern {
    items: Vec<Item<'static>>,
    has_clock: bool,
    has_zone: bool,
}

impl MomentFormat {
    /// Whether the text itself says which instant it means, without a time zone from elsewhere.
    pub(crate) fn has_zone(&self) -> bool {
        match self {
            Self::Standard | Self::UnixSeconds | Self::UnixMillis => true,
            Self::Pattern(pattern) => pattern.has_zone,
        }
    }

    /// Reads a calendar date as days since 1970; `None` if it is no date of years 1 to 9999.
    pub(crate) fn date(&self, text: &str) -> Option<i32> {
        let date = match self {
            Self::Standard => iso_date(text)?,
            Self::UnixSeconds | Self::UnixMillis => return None,
            Self::Pattern(pattern) => pattern.parse(text)?.to_naive_date().ok()?,
        };
        let days = in_range(date)?.signed_duration_since(NaiveDate::default()).num_days();
        i32::try_from(days).ok()
    }

    /// Reads an instant as microseconds since 1970, finer parts cut off.
    ///
    /// A local time that the clocks of `zone` skipped is refused; of one that they showed twice
    /// the earlier is meant.
    pub(crate) fn timestamp(&self, text: &str, zone: Tz) -> Option<i64> {
        match self {
            Self::Standard => instant_micros(DateTime::parse_from_rfc3339(text).ok()?),
            Self::UnixSeconds => unix_micros(text, 6),
            Self::UnixMillis => unix_micros(text, 3),
            Self::Pattern(pattern) => pattern.timestamp(text, zone),
        }
    }
}

impl MomentPattern {
    /// Compiles a strftime pattern; the error says what the pattern lacks.
    ///
    /// The pattern must read back what it writes: a date that it leaves open, such as that of
    /// `%d/%m`, is found here and not on the first row.
    pub(crate) fn compile(text: &str) -> Result<Self, &'static str> {
        let items =
            StrftimeItems::new(text).parse_to_owned().map_err(|_| "is not a strftime pattern")?;
        if text.contains("%Z") {
            return Err("has `%Z`, and abbreviations of zones are ambiguous");
        }
        let (morning, evening) = (probe(2, 11, 7), probe(13, 34, 56));
        let (Some(morning), Some(evening)) = (morning, evening) else {
            return Err("cannot be checked");
        };
        let written = write_with(&items, evening).ok_or("is not a strftime pattern")?;
        let has_clock = write_with(&items, morning).as_ref() != Some(&written);
        let draft = Self { items, has_clock, has_zone: false };
        let parsed = draft.parse(&written).ok_or("cannot be read back")?;
        let has_zone = parsed.offset().is_some() || parsed.timestamp().is_some();
        if has_zone {
            let read = instant(&parsed).ok_or("does not say date, time and zone")?;
            let same = read.date_naive() == evening.with_timezone(&read.timezone()).date_naive();
            return if same { Ok(Self { has_zone, ..draft }) } else { Err("loses the date") };
        }
        let local = draft.local(&parsed).ok_or("does not say year, month, day and a whole time")?;
        let same = local.date() == evening.naive_local().date();
        if same { Ok(draft) } else { Err("loses the date") }
    }

    fn parse(&self, text: &str) -> Option<Parsed> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        Some(parsed)
    }

    fn local(&self, parsed: &Parsed) -> Option<NaiveDateTime> {
        let date = in_range(parsed.to_naive_date().ok()?)?;
        let time = match self.has_clock {
            true => parsed.to_naive_time().ok()?,
            false => NaiveTime::MIN,
        };
        Some(date.and_time(time))
    }

    fn timestamp(&self, text: &str, zone: Tz) -> Option<i64> {
        let parsed = self.parse(text)?;
        if self.has_zone {
            return instant_micros(instant(&parsed)?);
        }
        let local = self.local(&parsed)?;
        Some(zone.from_local_datetime(&local).earliest()?.timestamp_micros())
    }
}

fn probe(hour: u32, minute: u32, second: u32) -> Option<DateTime<FixedOffset>> {
    let local = NaiveDate::from_ymd_opt(2024, 2, 29)?.and_hms_opt(hour, minute, second)?;
    FixedOffset::east_opt(3600)?.from_local_datetime(&local).single()
}

fn write_with(items: &[Item<'static>], at: DateTime<FixedOffset>) -> Option<String> {
    let mut text = String::new();
    write!(text, "{}", at.format_with_items(items.iter())).ok()?;
    Some(text)
}

fn instant(parsed: &Parsed) -> Option<DateTime<FixedOffset>> {
    match parsed.offset() {
        Some(_) => parsed.to_datetime().ok(),
        None => Some(parsed.to_naive_datetime_with_offset(0).ok()?.and_utc().fixed_offset()),
    }
}

fn instant_micros(at: DateTime<FixedOffset>) -> Option<i64> {
    in_range(at.date_naive())?;
    Some(at.timestamp_micros())
}

/// Years that every date type downstream can hold.
fn in_range(date: NaiveDate) -> Option<NaiveDate> {
    (1..=9999).contains(&date.year()).then_some(date)
}

/// Reads `2026-03-01` and nothing else.
fn iso_date(text: &str) -> Option<NaiveDate> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let shaped = bytes.iter().enumerate().all(|(index, byte)| match index {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !shaped {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    NaiveDate::from_ymd_opt(i32::try_from(part(0, 4)?).ok()?, part(5, 7)?, part(8, 10)?)
}

/// Microseconds from a count of units that are `digits` powers of ten longer.
fn unix_micros(text: &str, digits: u8) -> Option<i64> {
    let micros = i64::try_from(number::decimal(text, 18, digits)?).ok()?;
    instant_micros(DateTime::from_timestamp_micros(micros)?.fixed_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> MomentFormat {
        MomentFormat::Pattern(MomentPattern::compile(text).unwrap())
    }

    fn utc(text: &str) -> Option<i64> {
        Some(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    #[test]
    fn impossible_dates_are_refused() {
        let day = MomentFormat::Standard;
        assert_eq!(day.date("1970-01-02"), Some(1));
        assert_eq!(day.date("2024-02-29"), Some(19_782));
        for text in
            ["2023-02-29", "2026-13-01", "2026-1-1", "0000-01-01", "2026/01/01", "+026-01-01"]
        {
            assert_eq!(day.date(text), None, "{text}");
        }
        let slashes = pattern("%d/%m/%Y");
        assert_eq!(slashes.date("29/02/2024"), Some(19_782));
        assert_eq!(slashes.date("31/04/2024"), None);
        assert_eq!(slashes.date("29/02/2024 x"), None);
    }

    #[test]
    fn local_times_follow_the_clocks_of_their_zone() {
        let local = pattern("%Y-%m-%d %H:%M:%S");
        let shanghai = local.timestamp("2026-03-01 10:00:00", chrono_tz::Asia::Shanghai);
        assert_eq!(shanghai, utc("2026-03-01T02:00:00Z"));
        let berlin = |text| local.timestamp(text, chrono_tz::Europe::Berlin);
        assert_eq!(berlin("2026-03-29 02:30:00"), None, "skipped");
        assert_eq!(berlin("2026-10-25 02:30:00"), utc("2026-10-25T00:30:00Z"), "earlier of two");
        assert_eq!(berlin("2026-10-25 24:00:00"), None);
    }

    #[test]
    fn texts_with_a_zone_ignore_that_of_the_contract() {
        let at = |format: &MomentFormat, text| format.timestamp(text, chrono_tz::Asia::Tokyo);
        assert_eq!(at(&MomentFormat::Standard, "1970-01-01T08:00:01+08:00"), Some(1_000_000));
        assert_eq!(at(&MomentFormat::Standard, "1970-01-01T00:00:01"), None);
        assert_eq!(at(&MomentFormat::UnixSeconds, "1.5"), Some(1_500_000));
        assert_eq!(at(&MomentFormat::UnixMillis, "1500"), Some(1_500_000));
        assert_eq!(at(&MomentFormat::UnixMillis, "1500.0005"), None);
        assert_eq!(at(&MomentFormat::UnixSeconds, "999999999999"), None);
        assert_eq!(at(&pattern("%d %b %Y %H:%M %z"), "01 Jan 1970 01:00 +0100"), Some(0));
        assert_eq!(at(&pattern("%s"), "12"), Some(12_000_000));
        assert_eq!(at(&pattern("%d.%m.%Y"), "02.01.1970"), Some(54_000_000_000));
    }

    #[test]
    fn patterns_that_leave_the_date_or_time_open_are_refused() {
        for text in
            ["%Q", "%d/%m", "%H:%M", "%Y-%m-%d %H", "%Y-%m-%d %I:%M", "%c %Z", "none", "", "%z"]
        {
            assert!(MomentPattern::compile(text).is_err(), "{text}");
        }
        assert!(MomentPattern::compile("%Y-%m-%d %I:%M %p").is_ok());
    }
}
