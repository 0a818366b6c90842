//! Intervals, as PostgreSQL and as ISO 8601 write them.

use arrow::datatypes::IntervalMonthDayNano;

use super::Problem;
use super::datetime::fraction_micros;

const INTERVAL: Problem = Problem::Not("an interval such as 1 day 02:00:00 or P1DT2H");
pub(super) const TOO_LONG: Problem = Problem::Not("an interval of at most 292 years of hours");

const SECOND_MICROS: i128 = 1_000_000;
const DAY_MICROS: i128 = 86_400 * SECOND_MICROS;

/// What was added up so far.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

/// A number with its fraction in millionths, both with its sign.
#[derive(Debug, Clone, Copy)]
struct Amount {
    whole: i128,
    millionths: i128,
}

pub(super) fn text(text: &str) -> Result<IntervalMonthDayNano, Problem> {
    let text = text.trim_ascii();
    let sum = match text.strip_prefix(['P', 'p']) {
        Some(designators) => iso(designators)?,
        None => words(text)?,
    };
    let months = i32::try_from(sum.months).map_err(|_| TOO_LONG)?;
    let days = i32::try_from(sum.days).map_err(|_| TOO_LONG)?;
    let nanos = i64::try_from(sum.micros.saturating_mul(1_000)).map_err(|_| TOO_LONG)?;
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

/// `1 year 2 mons -3 days +04:05:06.789`, and the same with `@` before and `ago` behind.
fn words(text: &str) -> Result<Sum, Problem> {
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_ascii();
    let ago = rest.len() >= 4
        && rest.get(rest.len() - 4..).is_some_and(|word| word.eq_ignore_ascii_case(" ago"));
    if ago {
        rest = rest.get(..rest.len() - 4).unwrap_or("").trim_ascii();
    }
    if rest.is_empty() {
        return Err(INTERVAL);
    }
    let mut sum = Sum::default();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | ':'));
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_ascii_start();
        if number.contains(':') {
            sum.micros += clock(number)?;
            rest = after;
            continue;
        }
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = if unit.is_empty() && after.is_empty() { "seconds" } else { unit };
        sum.add(Amount::of(number)?, &unit.to_ascii_lowercase())?;
        rest = after.trim_ascii_start();
    }
    if ago {
        sum = Sum { months: -sum.months, days: -sum.days, micros: -sum.micros };
    }
    Ok(sum)
}

/// `1Y2M3W4DT5H6M7.8S`.
fn iso(designators: &str) -> Result<Sum, Problem> {
    let (date, time) = match designators.split_once(['T', 't']) {
        Some((date, time)) => (date, time),
        None => (designators, ""),
    };
    if designators.is_empty() {
        return Err(INTERVAL);
    }
    let mut sum = Sum::default();
    for (mut rest, of_time) in [(date, false), (time, true)] {
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(INTERVAL)?;
            let (number, after) = rest.split_at(end);
            let (unit, after) = after.split_at(1);
            let unit = match (unit.to_ascii_uppercase().as_str(), of_time) {
                ("Y", false) => "year",
                ("M", false) => "month",
                ("W", false) => "week",
                ("D", false) => "day",
                ("H", true) => "hour",
                ("M", true) => "minute",
                ("S", true) => "second",
                _ => return Err(INTERVAL),
            };
            sum.add(Amount::of(number)?, unit)?;
            rest = after;
        }
    }
    Ok(sum)
}

/// Microseconds of `[+-]hh:mm[:ss[.ffffff]]`.
fn clock(text: &str) -> Result<i128, Problem> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut numbers = unsigned.split(':');
    let hours = numbers.next().ok_or(INTERVAL)?;
    let minutes = numbers.next().ok_or(INTERVAL)?;
    let (seconds, fraction) =
        numbers.next().map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let whole = |text: &str| -> Result<i128, Problem> {
        let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| plain);
        number.map(i128::from).ok_or(INTERVAL)
    };
    let (hours, minutes, seconds) = (whole(hours)?, whole(minutes)?, whole(seconds)?);
    let good = minutes < 60 && seconds <= 60 && fraction.bytes().all(|c| c.is_ascii_digit());
    if !good || numbers.next().is_some() {
        return Err(INTERVAL);
    }
    let seconds = hours * 3_600 + minutes * 60 + seconds;
    let micros = seconds * SECOND_MICROS + i128::from(fraction_micros(fraction));
    Ok(if text.starts_with('-') { -micros } else { micros })
}

impl Amount {
    fn of(text: &str) -> Result<Self, Problem> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = whole.bytes().chain(fraction.bytes()).all(|c| c.is_ascii_digit());
        if !digits || (whole.is_empty() && fraction.is_empty()) {
            return Err(INTERVAL);
        }
        let number =
            if whole.is_empty() { 0 } else { whole.parse::<i64>().map_err(|_| TOO_LONG)? };
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let millionths = i128::from(fraction_micros(fraction));
        Ok(Self { whole: sign * i128::from(number), millionths: sign * millionths })
    }

    fn micros(self, unit_micros: i128) -> i128 {
        self.whole * unit_micros + self.millionths * unit_micros / 1_000_000
    }
}

impl Sum {
    fn add(&mut self, amount: Amount, unit: &str) -> Result<(), Problem> {
        let Amount { whole, millionths } = amount;
        match unit {
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => {
                self.micros += whole + (millionths + 500_000 * millionths.signum()) / 1_000_000;
            }
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => {
                self.micros += amount.micros(1_000);
            }
            "s" | "sec" | "secs" | "second" | "seconds" => {
                self.micros += amount.micros(SECOND_MICROS);
            }
            "m" | "min" | "mins" | "minute" | "minutes" => {
                self.micros += amount.micros(60 * SECOND_MICROS);
            }
            "h" | "hr" | "hrs" | "hour" | "hours" => {
                self.micros += amount.micros(3_600 * SECOND_MICROS);
            }
            "d" | "day" | "days" => self.days(whole, millionths),
            "w" | "week" | "weeks" => self.days(whole * 7, millionths * 7),
            "mon" | "mons" | "month" | "months" => {
                self.months += whole;
                self.days(0, millionths * 30);
            }
            "y" | "yr" | "yrs" | "year" | "years" => self.years(1, amount),
            "dec" | "decs" | "decade" | "decades" => self.years(10, amount),
            "c" | "cent" | "century" | "centuries" => self.years(100, amount),
            "mil" | "mils" | "millennium" | "millennia" => self.years(1_000, amount),
            _ => return Err(INTERVAL),
        }
        Ok(())
    }

    /// Whole days, and what is over as time.
    fn days(&mut self, whole: i128, millionths: i128) {
        self.days += whole + millionths / 1_000_000;
        self.micros += millionths % 1_000_000 * (DAY_MICROS / 1_000_000);
    }

    /// To the nearest month.
    fn years(&mut self, years: i128, Amount { whole, millionths }: Amount) {
        let months = millionths * years * 12;
        self.months += whole * years * 12 + (months + 500_000 * months.signum()) / 1_000_000;
    }
}
