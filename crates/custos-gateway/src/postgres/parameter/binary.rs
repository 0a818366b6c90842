//! Values as PostgreSQL's receive functions read them.

use arrow::datatypes::IntervalMonthDayNano;

use super::datum::Datum;
use super::kind::Kind;
use super::{Problem, numeric, text};
use crate::postgres::encode::{DATES, TIMESTAMPS};

/// Days and microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Datum, Problem> {
    Ok(match kind {
        Kind::Bool => match bytes {
            [byte] => Datum::Bool(*byte != 0),
            _ => return Err(Problem::Not("one byte")),
        },
        Kind::Int2 => Datum::Int2(i16::from_be_bytes(exactly(bytes, "two bytes")?)),
        Kind::Int4 => Datum::Int4(i32::from_be_bytes(four(bytes)?)),
        Kind::Int8 => Datum::Int8(i64::from_be_bytes(eight(bytes)?)),
        Kind::Float4 => Datum::Float4(f32::from_be_bytes(four(bytes)?)),
        Kind::Float8 => Datum::Float8(f64::from_be_bytes(eight(bytes)?)),
        Kind::Numeric => Datum::Numeric(numeric::binary(bytes)?),
        Kind::Text | Kind::Json => Datum::Text(text::utf8(bytes)?.to_owned()),
        Kind::Jsonb => Datum::Text(jsonb(bytes)?.to_owned()),
        Kind::Bytea => Datum::Bytea(bytes.to_vec()),
        Kind::Date => Datum::Date(date(i32::from_be_bytes(four(bytes)?))?),
        Kind::Time => Datum::Time(time(i64::from_be_bytes(eight(bytes)?))?),
        Kind::Timestamp | Kind::Timestamptz => {
            Datum::Timestamp(timestamp(i64::from_be_bytes(eight(bytes)?))?)
        }
        Kind::Interval => Datum::Interval(interval(bytes)?),
        Kind::Uuid => Datum::Text(text::uuid(exactly(bytes, "sixteen bytes")?)),
    })
}

fn exactly<const N: usize>(bytes: &[u8], expected: &'static str) -> Result<[u8; N], Problem> {
    bytes.try_into().map_err(|_| Problem::Not(expected))
}

fn four(bytes: &[u8]) -> Result<[u8; 4], Problem> {
    exactly(bytes, "four bytes")
}

fn eight(bytes: &[u8]) -> Result<[u8; 8], Problem> {
    exactly(bytes, "eight bytes")
}

fn jsonb(bytes: &[u8]) -> Result<&str, Problem> {
    match bytes.split_first() {
        Some((1, json)) => text::utf8(json),
        _ => Err(Problem::Not("JSON behind a version of 1")),
    }
}

fn date(days: i32) -> Result<i32, Problem> {
    let known = DATES.contains(&i64::from(days));
    let days = days.checked_add(EPOCH_DAYS).filter(|_| known);
    days.ok_or(Problem::Not("a date that is finite and in range"))
}

fn time(micros: i64) -> Result<i64, Problem> {
    let known = (0..=DAY_MICROS).contains(&micros);
    if known { Ok(micros) } else { Err(Problem::Not("a time of day")) }
}

fn timestamp(micros: i64) -> Result<i64, Problem> {
    let known = TIMESTAMPS.contains(&micros);
    let micros = micros.checked_add(EPOCH_MICROS).filter(|_| known);
    micros.ok_or(Problem::Not("a time that is finite and in range"))
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano, Problem> {
    let [a, b, c, d, e, f, g, h, days @ .., i, j, k, l]: [u8; 16] =
        exactly(bytes, "sixteen bytes")?;
    let micros = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let nanos = micros.checked_mul(1_000).ok_or(super::interval::TOO_LONG)?;
    let months = i32::from_be_bytes([i, j, k, l]);
    Ok(IntervalMonthDayNano::new(months, i32::from_be_bytes(days), nanos))
}
