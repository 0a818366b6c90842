//! Whole numbers in decimal.

use super::sink::Sink;

/// What makes eight digits eight characters.
const ASCII: u64 = 0x3030_3030_3030_3030;

const EIGHT: u64 = 100_000_000;
const SIXTEEN: u64 = EIGHT * EIGHT;

/// The eight digits of a number below 10^8, the first in the lowest byte.
///
/// Halves, then quarters, then eighths of one word are divided at a time: three multiplications
/// instead of a chain of eight divisions.
#[inline]
pub(crate) const fn eight_digits(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16);
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos.wrapping_sub(tens.wrapping_mul(10)) << 8)
}

/// The eight characters of a number below 10^8, with leading zeros.
#[inline]
pub(crate) const fn eight(number: u64) -> [u8; 8] {
    (eight_digits(number) | ASCII).to_le_bytes()
}

/// The two characters of a number below 100.
#[inline]
pub(crate) fn two(number: u32) -> [u8; 2] {
    let tens = number.wrapping_mul(103) >> 10;
    let ones = number.wrapping_sub(tens.wrapping_mul(10));
    [b'0' | (tens as u8 & 15), b'0' | (ones as u8 & 15)]
}

#[inline]
pub(crate) fn unsigned(number: u64, sink: &mut Sink<'_>) {
    if number < EIGHT {
        leading(number, sink);
    } else if number < SIXTEEN {
        leading(number / EIGHT, sink);
        sink.array(eight(number % EIGHT));
    } else {
        leading(number / SIXTEEN, sink);
        sink.array(eight(number / EIGHT % EIGHT));
        sink.array(eight(number % EIGHT));
    }
}

#[inline]
pub(crate) fn signed(number: i64, sink: &mut Sink<'_>) {
    if number < 0 {
        sink.byte(b'-');
    }
    unsigned(number.unsigned_abs(), sink);
}

/// Exactly so many digits, at most 16, of a number that has no more.
#[inline]
pub(crate) fn fixed(number: u64, width: usize, sink: &mut Sink<'_>) {
    if width <= 8 {
        last(number, width, sink);
    } else {
        last(number / EIGHT, width - 8, sink);
        sink.array(eight(number % EIGHT));
    }
}

/// At least so many digits, at most 8, of any number.
pub(crate) fn padded(number: u64, width: usize, sink: &mut Sink<'_>) {
    if number < EIGHT && eight_digits(number).trailing_zeros() / 8 >= 8 - width as u32 {
        last(number, width, sink);
    } else {
        unsigned(number, sink);
    }
}

/// A point and six digits without the zeros at their end; nothing for none.
#[inline]
pub(crate) fn fraction(micros: u32, sink: &mut Sink<'_>) {
    if micros == 0 {
        return;
    }
    let digits = eight_digits(u64::from(micros));
    let zeros = digits.leading_zeros() as usize / 8;
    sink.byte(b'.');
    sink.partial(((digits | ASCII) >> 16).to_le_bytes(), 6 - zeros.min(6));
}

/// A number below 10^8 without leading zeros.
#[inline]
fn leading(number: u64, sink: &mut Sink<'_>) {
    let digits = eight_digits(number);
    let zeros = (digits.trailing_zeros() / 8).min(7);
    sink.partial(((digits | ASCII) >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

/// The last `width` digits, at most 8, of a number below 10^8.
#[inline]
fn last(number: u64, width: usize, sink: &mut Sink<'_>) {
    let width = width.min(8);
    let shift = (8 * (8 - width)) as u32;
    let shifted = (eight_digits(number) | ASCII).checked_shr(shift).unwrap_or(0);
    sink.partial(shifted.to_le_bytes(), width);
}
