//! Intervals: months, days and a time, each with its own sign.

use super::calendar::SECOND_MICROS;
use super::digits::{fixed, fraction, padded, signed};
use super::sink::Sink;

/// An interval as PostgreSQL keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

/// What the parts before a part decide about it.
struct Parts {
    none: bool,
    /// Whether the last was negative, so that a positive one needs its sign.
    negative: bool,
}

impl Interval {
    /// Writes it as `1 year 2 mons -3 days +04:05:06.789`, the style PostgreSQL has by default.
    pub(crate) fn text(self, sink: &mut Sink<'_>) {
        let mut parts = Parts { none: true, negative: false };
        parts.count(self.months / 12, b"year", sink);
        parts.count(self.months % 12, b"mon", sink);
        parts.count(self.days, b"day", sink);
        if self.micros == 0 && !parts.none {
            return;
        }
        if !parts.none {
            sink.byte(b' ');
        }
        if self.micros < 0 {
            sink.byte(b'-');
        } else if parts.negative {
            sink.byte(b'+');
        }
        let (second, micros) = (SECOND_MICROS.unsigned_abs(), self.micros.unsigned_abs());
        let seconds = micros / second;
        padded(seconds / 3_600, 2, sink);
        sink.byte(b':');
        fixed(seconds / 60 % 60, 2, sink);
        sink.byte(b':');
        fixed(seconds % 60, 2, sink);
        fraction((micros % second) as u32, sink);
    }

    /// Writes the length and the binary form.
    pub(crate) fn binary(self, sink: &mut Sink<'_>) {
        sink.array(16_i32.to_be_bytes());
        sink.array(self.micros.to_be_bytes());
        sink.array(self.days.to_be_bytes());
        sink.array(self.months.to_be_bytes());
    }
}

impl Parts {
    fn count(&mut self, number: i32, unit: &[u8], sink: &mut Sink<'_>) {
        if number == 0 {
            return;
        }
        if !self.none {
            sink.byte(b' ');
        }
        if self.negative && number > 0 {
            sink.byte(b'+');
        }
        signed(i64::from(number), sink);
        sink.byte(b' ');
        sink.slice(unit);
        if number != 1 {
            sink.byte(b's');
        }
        self.none = false;
        self.negative = number < 0;
    }
}
