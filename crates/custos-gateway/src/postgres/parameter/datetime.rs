//! Dates, times of day and instants as ISO 8601 and PostgreSQL write them.

use chrono_tz::Tz;

use super::Problem;
use crate::postgres::encode::{Civil, DATES, TIMESTAMPS, looked_up};

const DATE: Problem = Problem::Not("a date such as 2026-01-31");
const TIME: Problem = Problem::Not("a time of day such as 13:45:00");
const TIMESTAMP: Problem = Problem::Not("a date and time such as 2026-01-31 13:45:00");
const ZONE: Problem = Problem::Not("a time with a known zone or an offset such as +08:00");

const SECOND_MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
const DAY_MICROS: i64 = DAY_SECONDS * SECOND_MICROS;
const EPOCH_DAYS: i64 = 10_957;

/// What a text says: each part may be missing.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    date: &'a str,
    time: &'a str,
    zone: &'a str,
    before_christ: bool,
}

/// Days after 1970-01-01; a time that is said too is not heeded.
pub(super) fn date(text: &str) -> Result<i32, Problem> {
    let parts = Parts::of(text);
    if !parts.time.is_empty() {
        time_of_day(parts.time)?;
    }
    i32::try_from(days(parts, DATE)?).map_err(|_| DATE)
}

/// Microseconds after midnight; a zone that is said too is not heeded.
pub(super) fn time(text: &str) -> Result<i64, Problem> {
    let parts = Parts::of(text);
    let time = if parts.time.is_empty() { parts.date } else { parts.time };
    time_of_day(time)
}

/// Microseconds after 1970-01-01 00:00 on the wall clock; a zone that is said too is not heeded.
pub(super) fn timestamp(text: &str) -> Result<i64, Problem> {
    in_range(local(Parts::of(text))?)
}

/// Microseconds after 1970-01-01 00:00 UTC.
pub(super) fn instant(text: &str, zone: Tz) -> Result<i64, Problem> {
    let parts = Parts::of(text);
    let local = local(parts)?;
    let offset = match parts.zone {
        "" => offset_at(zone, local),
        said => said_offset(said, local)?,
    };
    in_range(local.checked_sub(i64::from(offset) * SECOND_MICROS).ok_or(TIMESTAMP)?)
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim_ascii();
        let (text, before_christ) = match strip_word(text, "BC") {
            Some(rest) => (rest, true),
            None => (strip_word(text, "AD").unwrap_or(text), false),
        };
        let date_end = text.find([' ', 'T', 't']).unwrap_or(text.len());
        let (date, rest) = text.split_at(date_end);
        let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim_ascii();
        // A time of day alone, which may be followed by a zone.
        let (date, rest) = if date.contains(':') { ("", text) } else { (date, rest) };
        let time_end = rest.find(|c: char| !matches!(c, '0'..='9' | ':' | '.'));
        let (time, zone) = rest.split_at(time_end.unwrap_or(rest.len()));
        Self { date, time, zone: zone.trim_ascii(), before_christ }
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(word.len())?;
    let (rest, last) = (text.get(..at)?, text.get(at..)?);
    (last.eq_ignore_ascii_case(word) && rest.ends_with(' ')).then(|| rest.trim_ascii_end())
}

fn days(parts: Parts<'_>, problem: Problem) -> Result<i64, Problem> {
    let mut numbers = parts.date.split(['-', '/']);
    let (year, month, day) = match (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    {
        (Some(year), Some(month), Some(day), None) if year.len() >= 3 => (year, month, day),
        (Some(all), None, None, None) if all.len() == 8 => {
            let parts = all.get(..4).zip(all.get(4..6)).zip(all.get(6..));
            let ((year, month), day) = parts.ok_or(problem)?;
            (year, month, day)
        }
        _ => return Err(problem),
    };
    let (year, month, day) = (digits(year, 7), digits(month, 2), digits(day, 2));
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return Err(problem) };
    let leap = if parts.before_christ { 1 - i64::from(year) } else { i64::from(year) };
    let last = match month {
        2 if leap % 4 == 0 && (leap % 100 != 0 || leap % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year == 0 || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return Err(problem);
    }
    let days = Civil { year: i32::try_from(leap).map_err(|_| problem)?, month, day }.days();
    if DATES.contains(&(days - EPOCH_DAYS)) { Ok(days) } else { Err(problem) }
}

/// A number of at least one and at most so many digits.
fn digits(text: &str, most: usize) -> Option<u32> {
    let plain = (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.ffffff` or `hhmmss`, to the nearest microsecond.
fn time_of_day(text: &str) -> Result<i64, Problem> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut numbers = clock.split(':');
    let (hour, minute, second) = match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(all), None, _) if all.len() == 6 => {
            let parts = all.get(..2).zip(all.get(2..4)).zip(all.get(4..));
            let ((hour, minute), second) = parts.ok_or(TIME)?;
            (hour, minute, second)
        }
        (Some(hour), Some(minute), second) => (hour, minute, second.unwrap_or("0")),
        _ => return Err(TIME),
    };
    if numbers.next().is_some() || !fraction.bytes().all(|c| c.is_ascii_digit()) {
        return Err(TIME);
    }
    let (hour, minute, second) = (digits(hour, 2), digits(minute, 2), digits(second, 2));
    let (Some(hour), Some(minute), Some(second)) = (hour, minute, second) else { return Err(TIME) };
    if minute > 59 || second > 60 {
        return Err(TIME);
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    let micros = seconds * SECOND_MICROS + fraction_micros(fraction);
    if micros > DAY_MICROS { Err(TIME) } else { Ok(micros) }
}

/// Microseconds of the digits behind a point, rounded as PostgreSQL does: as a float, halves to even.
pub(super) fn fraction_micros(digits: &str) -> i64 {
    let fraction = format!("0.{digits}").parse::<f64>().unwrap_or(0.0);
    (fraction * 1e6).round_ties_even() as i64
}

fn local(parts: Parts<'_>) -> Result<i64, Problem> {
    let days = days(parts, TIMESTAMP)?;
    let time = if parts.time.is_empty() { 0 } else { time_of_day(parts.time)? };
    days.checked_mul(DAY_MICROS).and_then(|micros| micros.checked_add(time)).ok_or(TIMESTAMP)
}

fn in_range(micros: i64) -> Result<i64, Problem> {
    let since_2000 = micros.checked_sub(EPOCH_DAYS * DAY_MICROS).ok_or(TIMESTAMP)?;
    if TIMESTAMPS.contains(&since_2000) { Ok(micros) } else { Err(TIMESTAMP) }
}

/// Seconds east of Greenwich of `Z`, `+08`, `+0800`, `+08:00`, `+08:05:43` or the name of a zone.
fn said_offset(text: &str, local: i64) -> Result<i32, Problem> {
    let (sign, rest) = match text.as_bytes() {
        [b'+', ..] => (1, text.get(1..)),
        [b'-', ..] => (-1, text.get(1..)),
        _ if ["z", "utc", "gmt"].iter().any(|name| text.eq_ignore_ascii_case(name)) => {
            return Ok(0);
        }
        _ => return text.parse().map(|zone| offset_at(zone, local)).map_err(|_| ZONE),
    };
    let rest = rest.ok_or(ZONE)?;
    let mut numbers = rest.split(':');
    let (hour, minute, second) = match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(all), None, _) if all.len() == 4 => {
            let (hour, minute) = all.get(..2).zip(all.get(2..)).ok_or(ZONE)?;
            (hour, minute, "0")
        }
        (Some(hour), minute, second) => (hour, minute.unwrap_or("0"), second.unwrap_or("0")),
        _ => return Err(ZONE),
    };
    let (hour, minute, second) = (digits(hour, 2), digits(minute, 2), digits(second, 2));
    let (Some(hour), Some(minute), Some(second)) = (hour, minute, second) else { return Err(ZONE) };
    if numbers.next().is_some() || hour > 15 || minute > 59 || second > 59 {
        return Err(ZONE);
    }
    Ok(sign * (hour * 3_600 + minute * 60 + second) as i32)
}

/// The offset of a wall clock.
///
/// As PostgreSQL does, a time that clocks leave out is read as before the change, and one that they
/// show twice as after it.
fn offset_at(zone: Tz, local_micros: i64) -> i32 {
    let local = local_micros.div_euclid(SECOND_MICROS);
    let before = looked_up(zone, local - DAY_SECONDS);
    let after = looked_up(zone, local + DAY_SECONDS);
    let fits = |offset: i32| looked_up(zone, local - i64::from(offset)) == offset;
    if fits(after) { after } else { before }
}
