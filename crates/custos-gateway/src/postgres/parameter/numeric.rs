//! Numerics, as text and as groups of four digits.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array};
use arrow::datatypes::i256;

use super::Problem;

const NUMBER: Problem = Problem::Not("a decimal number");
const TOO_LONG: Problem = Problem::Not("a number of at most 76 digits");
const SPECIAL: Problem = Problem::Unsupported("a numeric that is infinite or not a number");

const DIGITS_MAX_128: usize = 38;
const DIGITS_MAX_256: usize = 76;

/// Digits, with a sign, times `10^-scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    value: i256,
    scale: usize,
}

impl Number {
    const ZERO: Self = Self { value: i256::ZERO, scale: 0 };

    fn push(&mut self, digit: u8) -> Result<(), Problem> {
        let more = self.value.checked_mul(i256::from_i128(10));
        let more = more.and_then(|value| value.checked_add(i256::from_i128(i128::from(digit))));
        self.value = more.ok_or(TOO_LONG)?;
        Ok(())
    }

    /// The same number with more digits after its point.
    fn scaled(self, scale: usize) -> Result<Self, Problem> {
        let zeros = u32::try_from(scale.saturating_sub(self.scale)).map_err(|_| TOO_LONG)?;
        if self.value == i256::ZERO {
            return Ok(Self { scale, ..self });
        }
        let value = i256::from_i128(10).checked_pow(zeros);
        let value = value.and_then(|power| self.value.checked_mul(power)).ok_or(TOO_LONG)?;
        Ok(Self { value, scale })
    }

    fn digits(&self) -> usize {
        let mut rest = self.value;
        let mut digits = 0;
        while rest != i256::ZERO {
            rest = rest.checked_div(i256::from_i128(10)).unwrap_or(i256::ZERO);
            digits += 1;
        }
        digits
    }
}

pub(super) fn text(text: &str) -> Result<Number, Problem> {
    let text = text.trim_ascii();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Err(SPECIAL);
    }
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, super::text::integer::<i16>(exponent, NUMBER)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NUMBER);
    }
    let mut number = Number::ZERO;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return Err(NUMBER);
        }
        number.push(digit - b'0')?;
    }
    let scale = i64::try_from(fraction.len()).map_err(|_| TOO_LONG)? - i64::from(exponent);
    number.scale = usize::try_from(scale).unwrap_or(0);
    if scale < 0 {
        let whole = number.scaled(usize::try_from(-scale).map_err(|_| TOO_LONG)?)?;
        number = Number { scale: 0, ..whole };
    }
    if text.starts_with('-') {
        number.value = number.value.checked_neg().ok_or(TOO_LONG)?;
    }
    Ok(number)
}

pub(super) fn binary(bytes: &[u8]) -> Result<Number, Problem> {
    const GROUPS: Problem = Problem::Not("groups of four digits with their weight and scale");
    let (header, groups) = bytes.split_first_chunk::<8>().ok_or(GROUPS)?;
    let [a, b, c, d, e, f, g, h] = *header;
    let weight = i64::from(i16::from_be_bytes([c, d]));
    let scale = usize::from(u16::from_be_bytes([g, h]));
    let negative = match u16::from_be_bytes([e, f]) {
        0 => false,
        0x4000 => true,
        0xc000 | 0xd000 | 0xf000 => return Err(SPECIAL),
        _ => return Err(GROUPS),
    };
    let (groups, rest) = groups.as_chunks::<2>();
    if groups.len() != usize::from(u16::from_be_bytes([a, b])) || !rest.is_empty() || scale > 0x3fff
    {
        return Err(GROUPS);
    }
    let mut number = Number::ZERO;
    // The last digit written so far counts 10^power.
    let mut power = (weight + 1) * 4;
    for group in groups {
        let group = u16::from_be_bytes(*group);
        if group > 9_999 {
            return Err(GROUPS);
        }
        for part in [1_000, 100, 10, 1] {
            power -= 1;
            // As PostgreSQL does, what is beyond the scale is cut off.
            if power >= -(scale as i64) {
                number.push((group / part % 10) as u8)?;
            }
        }
    }
    let zeros = power.max(-(scale as i64)) + scale as i64;
    let shifted = number.scaled(usize::try_from(zeros).map_err(|_| GROUPS)?)?;
    number = Number { value: shifted.value, scale };
    if negative {
        number.value = number.value.checked_neg().ok_or(TOO_LONG)?;
    }
    Ok(number)
}

/// An array of the largest scale among the numbers, and of as few digits as they need.
pub(super) fn array(numbers: &[Option<Number>]) -> Result<ArrayRef, Problem> {
    let scale = numbers.iter().flatten().map(|number| number.scale).max().unwrap_or(0);
    if scale > DIGITS_MAX_256 {
        return Err(TOO_LONG);
    }
    let scaled: Result<Vec<Option<Number>>, _> = numbers
        .iter()
        .map(|number| number.map(|number| number.scaled(scale)).transpose())
        .collect();
    let scaled = scaled?;
    let digits = scaled.iter().flatten().map(Number::digits).max().unwrap_or(0).max(scale).max(1);
    let (precision, places) = (digits as u8, scale as i8);
    if digits <= DIGITS_MAX_128 {
        let values = scaled.iter().map(|number| number.and_then(|number| number.value.to_i128()));
        let values =
            values.collect::<Decimal128Array>().with_precision_and_scale(precision, places);
        return values.map(|values| Arc::new(values) as ArrayRef).map_err(|_| TOO_LONG);
    }
    if digits > DIGITS_MAX_256 {
        return Err(TOO_LONG);
    }
    let values = scaled.iter().map(|number| number.map(|number| number.value));
    let values = values.collect::<Decimal256Array>().with_precision_and_scale(precision, places);
    values.map(|values| Arc::new(values) as ArrayRef).map_err(|_| TOO_LONG)
}
