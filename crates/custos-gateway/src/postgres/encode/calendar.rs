//! Dates and times of day as text.

use super::digits::{eight, fixed, fraction, padded, two};
use super::sink::Sink;

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
pub(crate) const SECOND_MICROS: i64 = 1_000_000;

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where PostgreSQL does.
pub(crate) const EPOCH_DAYS: i64 = 10_957;

/// A day of the proleptic Gregorian calendar. The year before 1 is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i32,
    pub month: u32,
    pub day: u32,
}

/// How a date and a time of day are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// With a space, as in a row.
    Iso,
    /// With a `T`, as in JSON.
    Xsd,
}

impl Civil {
    /// The day so many days after 1970-01-01, for all that PostgreSQL's `date` holds.
    ///
    /// Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms".
    #[inline]
    pub(crate) fn of_days(days: i64) -> Self {
        /// Cycles of 400 years that are added so that no number below is negative.
        const CYCLES: i64 = 13;
        let shifted = (days + 719_468 + 146_097 * CYCLES).max(0) as u64;
        let quarters = 4 * shifted + 3;
        let century = quarters / 146_097;
        let of_century = (quarters % 146_097) | 3;
        let product = 2_939_745 * of_century;
        let year_of_century = product >> 32;
        let day_of_year = (product & 0xffff_ffff) / 2_939_745 / 4;
        let months = 2_141 * day_of_year + 197_913;
        let after_december = u32::from(day_of_year >= 306);
        let year = (100 * century + year_of_century) as i32 - 400 * CYCLES as i32;
        Self {
            year: year + after_december as i32,
            month: (months >> 16) as u32 - 12 * after_december,
            day: ((months & 0xffff) / 2_141) as u32 + 1,
        }
    }

    /// Days after 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let of_cycle = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let days = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
        year.div_euclid(400) * 146_097 + days - 719_468
    }

    /// Writes the date; of years before 1 the ` BC` is left to [`era`], as a time may come before it.
    #[inline]
    pub(crate) fn write(self, sink: &mut Sink<'_>) {
        if let 1..=9_999 = self.year {
            let number = self.year as u64 * 10_000 + u64::from(self.month * 100 + self.day);
            let [a, b, c, d, e, f, g, h] = eight(number);
            sink.array([a, b, c, d, b'-', e, f, b'-', g, h]);
            return;
        }
        let year = if self.year > 0 { self.year } else { 1 - self.year };
        padded(u64::from(year.unsigned_abs()), 4, sink);
        let ([a, b], [c, d]) = (two(self.month), two(self.day));
        sink.array([b'-', a, b, b'-', c, d]);
    }

    /// Writes the ` BC` of years before 1.
    #[inline]
    pub(crate) fn era(self, sink: &mut Sink<'_>) {
        if self.year < 1 {
            sink.array(*b" BC");
        }
    }
}

/// Writes days after 2000-01-01.
#[inline]
pub(crate) fn date(days: i32, sink: &mut Sink<'_>) {
    let civil = Civil::of_days(i64::from(days) + EPOCH_DAYS);
    civil.write(sink);
    civil.era(sink);
}

/// Writes microseconds after midnight, 24:00:00 included.
#[inline]
pub(crate) fn time(micros: i64, sink: &mut Sink<'_>) {
    let seconds = (micros / SECOND_MICROS) as u64;
    let number = seconds / 3_600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60;
    let [_, _, a, b, c, d, e, f] = eight(number);
    sink.array([a, b, b':', c, d, b':', e, f]);
    fraction((micros % SECOND_MICROS) as u32, sink);
}

/// Writes microseconds after 2000-01-01 00:00, followed by the offset of a zone if there is one.
#[inline]
pub(crate) fn timestamp(micros: i64, offset: Option<i32>, style: Style, sink: &mut Sink<'_>) {
    let local = micros + i64::from(offset.unwrap_or(0)) * SECOND_MICROS;
    let civil = Civil::of_days(local.div_euclid(DAY_MICROS) + EPOCH_DAYS);
    civil.write(sink);
    sink.byte(if style == Style::Iso { b' ' } else { b'T' });
    time(local.rem_euclid(DAY_MICROS), sink);
    if let Some(seconds) = offset {
        zone(seconds, style, sink);
    }
    civil.era(sink);
}

/// Writes seconds east of Greenwich as `+08`, `+05:30` or `+08:05:43`.
#[inline]
fn zone(offset: i32, style: Style, sink: &mut Sink<'_>) {
    let sign = if offset < 0 { b'-' } else { b'+' };
    let seconds = offset.unsigned_abs();
    let [a, b] = two(seconds / 3_600);
    sink.array([sign, a, b]);
    if !seconds.is_multiple_of(3_600) || style == Style::Xsd {
        sink.byte(b':');
        fixed(u64::from(seconds / 60 % 60), 2, sink);
    }
    if !seconds.is_multiple_of(60) {
        sink.byte(b':');
        fixed(u64::from(seconds % 60), 2, sink);
    }
}
