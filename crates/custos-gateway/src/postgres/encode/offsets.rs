//! The offsets of a time zone, remembered.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::calendar::Civil;

const DAY_SECONDS: i64 = 86_400;

/// A span is 2^22 seconds, about seven weeks: seldom is there more than one change in it.
const SPAN_BITS: u32 = 22;

/// Spans that are remembered: 34 years of instants in any order.
const SPANS: usize = 256;

/// The last year that the zone's own table is asked for. It ends soon after.
const TABLE_YEARS: std::ops::RangeInclusive<i32> = 2_060..=2_087;

/// The offsets of one zone.
///
/// Looking an instant up in the zone's table costs more than writing all of its text, and instants of
/// one answer lie close together.
#[derive(Debug)]
pub(crate) struct Offsets {
    zone: Tz,
    spans: Vec<Option<Span>>,
}

/// What holds in one span: one offset before a change and one from it on.
#[derive(Debug, Clone, Copy)]
struct Span {
    number: i64,
    change: i64,
    before: i32,
    after: i32,
    /// Whether there are more changes, so that the table has to be asked.
    mixed: bool,
}

impl Offsets {
    pub(crate) const fn new(zone: Tz) -> Self {
        Self { zone, spans: Vec::new() }
    }

    /// Seconds east of Greenwich at an instant, given in seconds after 1970-01-01 00:00 UTC.
    #[inline]
    pub(crate) fn at(&mut self, seconds: i64) -> i32 {
        if self.zone == Tz::UTC {
            return 0;
        }
        let number = seconds >> SPAN_BITS;
        let slot = number.rem_euclid(SPANS as i64) as usize;
        match self.spans.get(slot) {
            Some(Some(span)) if span.number == number && !span.mixed => span.at(seconds),
            _ => self.miss(number, slot, seconds),
        }
    }

    #[cold]
    #[inline(never)]
    fn miss(&mut self, number: i64, slot: usize, seconds: i64) -> i32 {
        if self.spans.is_empty() {
            self.spans.resize(SPANS, None);
        }
        let known = self.spans.get(slot).copied().flatten();
        if known.is_none_or(|known| known.number != number)
            && let Some(place) = self.spans.get_mut(slot)
        {
            *place = Some(Span::new(self.zone, number));
        }
        looked_up(self.zone, seconds)
    }
}

impl Span {
    fn new(zone: Tz, number: i64) -> Self {
        let (start, end) = (number << SPAN_BITS, (number + 1) << SPAN_BITS);
        let before = looked_up(zone, start);
        let mut span = Self { number, change: end, before, after: before, mixed: false };
        let mut from = start;
        while from < end {
            let to = (from + DAY_SECONDS).min(end - 1);
            if looked_up(zone, to) != span.after {
                span.mixed = span.change != end;
                span.change = first_change(zone, from, to);
                span.after = looked_up(zone, to);
            }
            if span.mixed || to == end - 1 {
                break;
            }
            from = to;
        }
        span
    }

    #[inline]
    const fn at(&self, seconds: i64) -> i32 {
        if seconds < self.change { self.before } else { self.after }
    }
}

/// The first second after `from`, until `to`, at which the offset is not that of `from`.
fn first_change(zone: Tz, mut from: i64, mut to: i64) -> i64 {
    let before = looked_up(zone, from);
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        if looked_up(zone, middle) == before {
            from = middle;
        } else {
            to = middle;
        }
    }
    to
}

/// The offset as the zone's table has it, or, for years beyond it, as in a year with the same calendar.
pub(crate) fn looked_up(zone: Tz, seconds: i64) -> i32 {
    let seconds = within_table(seconds);
    DateTime::from_timestamp(seconds, 0)
        .map_or(0, |at| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
}

fn within_table(seconds: i64) -> i64 {
    let year = Civil::of_days(seconds.div_euclid(DAY_SECONDS)).year;
    if year <= *TABLE_YEARS.end() {
        return seconds;
    }
    let alike = TABLE_YEARS.into_iter().find(|other| calendar(*other) == calendar(year));
    alike.map_or(seconds, |alike| seconds - (new_year(year) - new_year(alike)) * DAY_SECONDS)
}

/// What decides on which weekday each day of a year falls.
fn calendar(year: i32) -> (i64, i64) {
    (new_year(year).rem_euclid(7), new_year(year + 1) - new_year(year))
}

fn new_year(year: i32) -> i64 {
    Civil { year, month: 1, day: 1 }.days()
}
