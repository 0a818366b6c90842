//! Values as PostgreSQL's input functions read them.

use std::str::FromStr;

use chrono_tz::Tz;

use super::datum::Datum;
use super::kind::Kind;
use super::{Problem, datetime, interval, numeric};

const BYTES: Problem = Problem::Not("bytes in hexadecimal behind \\x, or escaped");

pub(super) fn read(kind: Kind, text: &str, zone: Tz) -> Result<Datum, Problem> {
    Ok(match kind {
        Kind::Bool => Datum::Bool(boolean(text)?),
        Kind::Int2 => Datum::Int2(integer(text, Problem::Not("a whole number of two bytes"))?),
        Kind::Int4 => Datum::Int4(integer(text, Problem::Not("a whole number of four bytes"))?),
        Kind::Int8 => Datum::Int8(integer(text, Problem::Not("a whole number of eight bytes"))?),
        Kind::Float4 => Datum::Float4(float(text, f32::is_infinite, |value| value == 0.0)?),
        Kind::Float8 => Datum::Float8(float(text, f64::is_infinite, |value| value == 0.0)?),
        Kind::Numeric => Datum::Numeric(numeric::text(text)?),
        Kind::Text | Kind::Json | Kind::Jsonb => Datum::Text(text.to_owned()),
        Kind::Bytea => Datum::Bytea(bytea(text)?),
        Kind::Date => Datum::Date(datetime::date(text)?),
        Kind::Time => Datum::Time(datetime::time(text)?),
        Kind::Timestamp => Datum::Timestamp(datetime::timestamp(text)?),
        Kind::Timestamptz => Datum::Timestamp(datetime::instant(text, zone)?),
        Kind::Interval => Datum::Interval(interval::text(text)?),
        Kind::Uuid => Datum::Text(uuid(uuid_bytes(text)?)),
    })
}

/// Text that PostgreSQL could hold.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.contains(&0) {
        return Err(Problem::Not("text without zero bytes"));
    }
    std::str::from_utf8(bytes).map_err(|_| Problem::Not("text in UTF-8"))
}

/// A whole number with an optional sign.
pub(super) fn integer<T: FromStr>(text: &str, problem: Problem) -> Result<T, Problem> {
    text.trim_ascii().parse().map_err(|_| problem)
}

/// PostgreSQL takes any beginning of a word that can be no other.
fn boolean(text: &str) -> Result<bool, Problem> {
    let text = text.trim_ascii().to_ascii_lowercase();
    match text.as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(Problem::Not("true or false")),
    }
}

/// A number, which may be infinite only if it says so, and zero only if its digits are.
fn float<T: FromStr + Copy>(
    text: &str,
    is_infinite: impl Fn(T) -> bool,
    is_zero: impl Fn(T) -> bool,
) -> Result<T, Problem> {
    let text = text.trim_ascii();
    let value = text.parse().map_err(|_| Problem::Not("a number"))?;
    let digits = text.split(['e', 'E']).next().unwrap_or("");
    let overflow = is_infinite(value) && text.contains(|c: char| c.is_ascii_digit());
    let underflow = is_zero(value) && digits.contains(|c: char| matches!(c, '1'..='9'));
    if overflow || underflow {
        return Err(Problem::Not("a number in range"));
    }
    Ok(value)
}

fn bytea(text: &str) -> Result<Vec<u8>, Problem> {
    match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits),
        None => escaped(text.as_bytes()),
    }
}

/// Pairs of digits, between which there may be space.
fn hexadecimal(mut digits: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    loop {
        digits = digits.trim_start_matches([' ', '\n', '\t', '\r']);
        match digits.as_bytes() {
            [] => return Ok(bytes),
            [high, low, ..] => bytes.push(nibble(*high)? << 4 | nibble(*low)?),
            _ => return Err(BYTES),
        }
        digits = digits.get(2..).ok_or(BYTES)?;
    }
}

/// Bytes as they are, but for `\\` and for three octal digits behind a `\`.
fn escaped(mut text: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        let (byte, rest) = match text {
            [] => return Ok(bytes),
            [b'\\', b'\\', rest @ ..] => (b'\\', rest),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest)
            }
            [b'\\', ..] => return Err(BYTES),
            [byte, rest @ ..] => (*byte, rest),
        };
        bytes.push(byte);
        text = rest;
    }
}

fn nibble(digit: u8) -> Result<u8, Problem> {
    let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    value.ok_or(BYTES)
}

/// Thirty-two digits, with or without braces, and with a hyphen after any four of them or none.
fn uuid_bytes(text: &str) -> Result<[u8; 16], Problem> {
    const UUID: Problem = Problem::Not("a uuid");
    let text = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}').ok_or(UUID)?,
        None => text,
    };
    let mut rest = text.as_bytes();
    let mut bytes = [0; 16];
    for (at, place) in bytes.iter_mut().enumerate() {
        let [high, low, after @ ..] = rest else { return Err(UUID) };
        let pair = nibble(*high).and_then(|high| Ok(high << 4 | nibble(*low)?));
        *place = pair.map_err(|_| UUID)?;
        rest = match after {
            [b'-', after @ ..] if at % 2 == 1 && at < 15 => after,
            after => after,
        };
    }
    if rest.is_empty() { Ok(bytes) } else { Err(UUID) }
}

/// The usual form of a uuid.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}
