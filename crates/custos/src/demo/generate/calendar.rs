//! When things happen: instants in seconds since 1970, before a fixed day.

use chrono::{DateTime, Datelike, FixedOffset, SecondsFormat, Utc};

use super::dice::Dice;

/// The day the data is as of, 2026-10-31T00:00:00Z; everything happened before it.
pub(crate) const AS_OF: i64 = 1_793_404_800;
/// Where the data begins, 24 months earlier.
pub(crate) const BEGIN: i64 = 1_730_332_800;
/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

const SHANGHAI_OFFSET: i64 = 8 * 3600;

/// How busy a month is, January first, in a thousandth of the busiest. The peaks are the sales of
/// 18 June and 11 November and the weeks before Christmas.
const SEASON: [u32; 12] = [700, 500, 600, 600, 650, 850, 600, 600, 700, 750, 1000, 950];
/// Hours of the day in China, one entry for each share of the day's traffic.
const BUSY_HOURS: [i64; 24] =
    [7, 8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22];

/// An instant from `from` to `to` that follows the seasons of the year and the hours of the day.
pub(crate) fn busy_moment(dice: &mut Dice, from: i64, to: i64) -> i64 {
    let mut at = dice.moment(from, to);
    for _ in 0..5 {
        if dice.per_mille(SEASON[month(at)]) {
            break;
        }
        at = dice.moment(from, to);
    }
    let midnight = at - (at + SHANGHAI_OFFSET).rem_euclid(DAY);
    let busy = midnight + dice.pick(&BUSY_HOURS) * 3600 + dice.moment(0, 3599);
    if (from..=to).contains(&busy) { busy } else { at }
}

/// An instant up to `seconds_max` after `at`, but before the data's end.
pub(crate) fn soon_after(dice: &mut Dice, at: i64, seconds_max: i64) -> i64 {
    dice.moment(at + 1, at + seconds_max).min(AS_OF - 1)
}

/// The local time in China without a zone: `2026-03-01 10:00:00`.
pub(crate) fn shanghai_text(at: i64) -> String {
    utc(at + SHANGHAI_OFFSET).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// RFC 3339 in UTC: `2026-03-01T02:00:00Z`.
pub(crate) fn utc_text(at: i64) -> String {
    utc(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// RFC 3339 with the offset of the writer's office: `2026-03-01T10:00:00+08:00`.
pub(crate) fn office_text(at: i64, in_china: bool) -> String {
    let seconds = if in_china { SHANGHAI_OFFSET as i32 } else { 3600 };
    match FixedOffset::east_opt(seconds) {
        Some(offset) => utc(at).with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Secs, true),
        None => utc_text(at),
    }
}

fn utc(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or_default()
}

fn month(at: i64) -> usize {
    utc(at).month0() as usize
}
