//! Floats in decimal: the fewest digits that read back as the same number.

use std::fmt::Write;

use super::sink::Sink;

/// What PostgreSQL decides by the width of a float.
struct Width {
    /// From this power of ten on an exponent is written.
    exponent_from: i32,
    /// Bits of a significand, the hidden one included.
    bits: u32,
    /// Within these bounds the shortest decimal can lie half way between two floats; see [`strict`].
    halves: std::ops::Range<f64>,
}

const SINGLE: Width = Width { exponent_from: 6, bits: 24, halves: 1e3..1e20 };
const DOUBLE: Width = Width { exponent_from: 15, bits: 53, halves: 1e8..1e41 };

/// Digits of a decimal, the last of which counts `10^last`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    negative: bool,
    digits: [u8; 20],
    count: usize,
    last: i32,
}

#[inline]
pub(crate) fn double(value: f64, sink: &mut Sink<'_>) {
    if special(value, sink) {
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let size = value.abs();
    if (1e-4..1e8).contains(&size) && plain(text, sink) {
        return;
    }
    let bits = value.to_bits() & !(1 << 63);
    let decimal = strict(Decimal::read(text), value, (bits, &DOUBLE), |text| {
        text.parse::<f64>().is_ok_and(|read| read == value)
    });
    decimal.write(&DOUBLE, sink);
}

#[inline]
pub(crate) fn single(value: f32, sink: &mut Sink<'_>) {
    if special(f64::from(value), sink) {
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let size = value.abs();
    if (1e-4..1e3).contains(&size) && plain(text, sink) {
        return;
    }
    let bits = u64::from(value.to_bits() & !(1 << 31));
    let decimal = strict(Decimal::read(text), f64::from(value), (bits, &SINGLE), |text| {
        text.parse::<f32>().is_ok_and(|read| read.to_bits() == value.to_bits())
    });
    decimal.write(&SINGLE, sink);
}

/// Writes what has no digits, or only zero.
fn special(value: f64, sink: &mut Sink<'_>) -> bool {
    let text: &[u8] = match value {
        _ if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ if value == 0.0 && value.is_sign_negative() => b"-0",
        _ if value == 0.0 => b"0",
        _ => return false,
    };
    sink.slice(text);
    true
}

/// Writes a decimal that is already as PostgreSQL has it, but for the `.0` of a whole number.
#[inline]
fn plain(text: &[u8], sink: &mut Sink<'_>) -> bool {
    if text.contains(&b'e') {
        return false;
    }
    sink.slice(text.strip_suffix(b".0").unwrap_or(text));
    true
}

/// The decimal, or the next longer one if it lies exactly half way to the neighbouring float.
///
/// A reader that rounds halves to even takes such a decimal for the right float, one that does not
/// may not. PostgreSQL does not rely on it: 1e23 is `9.999999999999999e+22` there.
fn strict(
    decimal: Decimal,
    value: f64,
    (bits, width): (u64, &Width),
    reads_back: impl Fn(&str) -> bool,
) -> Decimal {
    if !width.halves.contains(&value.abs()) || !decimal.is_half(bits, width) {
        return decimal;
    }
    // So rare that the allocation is of no account.
    let mut text = String::new();
    for precision in decimal.count.saturating_sub(1)..17 {
        text.clear();
        if write!(text, "{value:.precision$e}").is_err() {
            return decimal;
        }
        let longer = Decimal::read(text.as_bytes());
        if reads_back(&text) && !longer.is_half(bits, width) {
            return longer;
        }
    }
    decimal
}

impl Decimal {
    /// Reads digits with or without a point and an exponent.
    fn read(text: &[u8]) -> Self {
        let mut decimal = Self { negative: false, digits: [0; 20], count: 0, last: 0 };
        let (mut exponent, mut exponent_negative, mut in_exponent, mut point) =
            (0, false, false, 0);
        for byte in text {
            match byte {
                b'-' if in_exponent => exponent_negative = true,
                b'-' => decimal.negative = true,
                b'e' => in_exponent = true,
                b'.' => point = 1,
                b'0'..=b'9' if in_exponent => exponent = exponent * 10 + i32::from(byte - b'0'),
                b'0'..=b'9' => {
                    decimal.push(*byte);
                    decimal.last -= point;
                }
                _ => {}
            }
        }
        decimal.last += if exponent_negative { -exponent } else { exponent };
        while let Some(b'0') = decimal.digits().last() {
            decimal.count -= 1;
            decimal.last += 1;
        }
        decimal
    }

    fn push(&mut self, digit: u8) {
        if self.count == 0 && digit == b'0' {
            return;
        }
        if let Some(place) = self.digits.get_mut(self.count) {
            *place = digit;
            self.count += 1;
        } else {
            self.last += 1;
        }
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or(&[])
    }

    /// Whether this is half way between the float of these bits and one of its neighbours.
    fn is_half(&self, bits: u64, width: &Width) -> bool {
        let hidden = 1_u64 << (width.bits - 1);
        let bias = if width.bits == 53 { 1_075 } else { 150 };
        let significand = (bits & (hidden - 1)) | hidden;
        let exponent = (bits >> (width.bits - 1)) as i32 - bias;
        let above = (2 * significand + 1, exponent - 1);
        let below = if significand == hidden {
            (4 * significand - 1, exponent - 2)
        } else {
            (2 * significand - 1, exponent - 1)
        };
        self.equals(above) || self.equals(below)
    }

    /// Whether this is an odd number times a power of two.
    fn equals(&self, (odd, power): (u64, i32)) -> bool {
        let number = self.digits().iter().fold(0_u64, |number, digit| {
            number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
        });
        let twos = number.trailing_zeros();
        if number == 0 || twos as i32 + self.last != power {
            return false;
        }
        let rest = u128::from(number >> twos);
        let Some(fives) = 5_u64.checked_pow(self.last.unsigned_abs()) else { return false };
        let (rest, odd, fives) = (rest, u128::from(odd), u128::from(fives));
        if self.last < 0 { odd * fives == rest } else { rest * fives == odd }
    }

    fn write(&self, width: &Width, sink: &mut Sink<'_>) {
        if self.negative {
            sink.byte(b'-');
        }
        let exponent = self.last + self.count as i32 - 1;
        if exponent < -4 || exponent >= width.exponent_from {
            return self.write_with_exponent(exponent, sink);
        }
        let whole = usize::try_from(exponent + 1).unwrap_or(0);
        let (before, after) = self.digits().split_at(whole.min(self.count));
        if before.is_empty() {
            sink.byte(b'0');
        }
        sink.slice(before);
        (self.count..whole).for_each(|_| sink.byte(b'0'));
        if after.is_empty() {
            return;
        }
        sink.byte(b'.');
        (exponent + 1..0).for_each(|_| sink.byte(b'0'));
        sink.slice(after);
    }

    fn write_with_exponent(&self, exponent: i32, sink: &mut Sink<'_>) {
        if let Some((first, rest)) = self.digits().split_first() {
            sink.byte(*first);
            if !rest.is_empty() {
                sink.byte(b'.');
            }
            sink.slice(rest);
        }
        sink.array([b'e', if exponent < 0 { b'-' } else { b'+' }]);
        super::digits::padded(u64::from(exponent.unsigned_abs()), 2, sink);
    }
}
