//! Numerics: digits with a scale.

use arrow::datatypes::i256;

use super::digits::{eight, fixed, unsigned};
use super::sink::Sink;

const POWERS: [u64; 17] = {
    let mut powers = [1; 17];
    let mut at = 1;
    while at < 17 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

const NEGATIVE: u16 = 0x4000;

/// The most digits a 256-bit number has, rounded up to whole sixteens.
const DIGITS_MAX: usize = 80;

/// Groups of four digits of such a number with the zeros of the smallest scale.
const GROUPS_MAX: usize = (DIGITS_MAX + 128) / 4 + 2;

/// A number without its sign, times `10^-scale`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numeric {
    negative: bool,
    /// The lowest 64 bits first.
    limbs: [u64; 4],
    scale: i8,
}

impl Numeric {
    #[inline]
    pub(crate) const fn new(number: i128, scale: i8) -> Self {
        let size = number.unsigned_abs();
        Self { negative: number < 0, limbs: [size as u64, (size >> 64) as u64, 0, 0], scale }
    }

    pub(crate) fn wide(number: i256, scale: i8) -> Self {
        let bytes = number.wrapping_abs().to_le_bytes();
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Self { negative: number.is_negative(), limbs, scale }
    }

    /// The whole number, if 64 bits hold it and the scale is a common one.
    #[inline]
    fn small(&self) -> Option<(u64, usize)> {
        let [low, rest @ ..] = self.limbs;
        let scale = usize::try_from(self.scale).ok().filter(|scale| *scale < POWERS.len())?;
        (rest == [0; 3]).then_some((low, scale))
    }

    #[inline]
    pub(crate) fn text(&self, sink: &mut Sink<'_>) {
        if self.negative {
            sink.byte(b'-');
        }
        let Some((number, scale)) = self.small() else { return self.long_text(sink) };
        let power = POWERS.get(scale).copied().unwrap_or(1);
        if scale == 0 {
            return unsigned(number, sink);
        }
        unsigned(number / power, sink);
        sink.byte(b'.');
        fixed(number % power, scale, sink);
    }

    #[cold]
    fn long_text(&self, sink: &mut Sink<'_>) {
        let mut buffer = [b'0'; DIGITS_MAX];
        let digits = self.digits(&mut buffer);
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let (whole, rest) = digits.split_at(digits.len().saturating_sub(scale));
        sink.slice(if whole.is_empty() { b"0" } else { whole });
        if !digits.is_empty() {
            (self.scale..0).for_each(|_| sink.byte(b'0'));
        }
        if scale > 0 {
            sink.byte(b'.');
            (rest.len()..scale).for_each(|_| sink.byte(b'0'));
            sink.slice(rest);
        }
    }

    /// The digits without leading zeros; none of zero.
    fn digits<'a>(&self, buffer: &'a mut [u8; DIGITS_MAX]) -> &'a [u8] {
        const SIXTEEN: u128 = 10_000_000_000_000_000;
        const EIGHT: u64 = 100_000_000;
        let mut limbs = self.limbs;
        for place in buffer.as_rchunks_mut::<16>().1.iter_mut().rev() {
            let mut rest = 0_u128;
            for limb in limbs.iter_mut().rev() {
                let number = (rest << 64) | u128::from(*limb);
                *limb = (number / SIXTEEN) as u64;
                rest = number % SIXTEEN;
            }
            let (high, low) = place.split_at_mut(8);
            high.copy_from_slice(&eight(rest as u64 / EIGHT));
            low.copy_from_slice(&eight(rest as u64 % EIGHT));
        }
        let zeros = buffer.iter().take_while(|digit| **digit == b'0').count();
        buffer.get(zeros..).unwrap_or(&[])
    }

    /// Writes the length and the binary form: groups of four digits, the first of which counts
    /// `10_000^weight`.
    #[inline]
    pub(crate) fn binary(&self, sink: &mut Sink<'_>) {
        match self.small() {
            Some((number, scale)) if number < u64::MAX / 1_000 => {
                self.short_binary(number, scale, sink);
            }
            _ => self.long_binary(sink),
        }
    }

    #[inline]
    fn short_binary(&self, number: u64, scale: usize, sink: &mut Sink<'_>) {
        let padding = (4 - scale % 4) % 4;
        let mut rest = number * POWERS.get(padding).copied().unwrap_or(1);
        let mut weight = -(scale.div_ceil(4) as i16);
        let mut zeros = true;
        let mut groups = [0_u16; 6];
        let (mut first, mut count) = (groups.len(), 0);
        while rest > 0 {
            let group = (rest % 10_000) as u16;
            rest /= 10_000;
            weight += 1;
            zeros &= group == 0;
            if zeros {
                continue;
            }
            first = first.saturating_sub(1);
            if let Some(place) = groups.get_mut(first) {
                *place = group;
                count += 1;
            }
        }
        if count == 0 {
            return sink.array(self.header(0, 0));
        }
        sink.array(self.header(count, weight - 1));
        let mut bytes = [0; 12];
        for (to, group) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(groups.iter().skip(first)) {
            *to = group.to_be_bytes();
        }
        sink.partial(bytes, 2 * count);
    }

    #[cold]
    fn long_binary(&self, sink: &mut Sink<'_>) {
        let mut buffer = [b'0'; DIGITS_MAX];
        let digits = self.digits(&mut buffer);
        let top = digits.len() as i32 - i32::from(self.scale) - 1;
        let weight = top.div_euclid(4);
        let mut groups = [0_u16; GROUPS_MAX];
        for (at, digit) in digits.iter().enumerate() {
            let power = top - at as i32;
            let group = usize::try_from(weight - power.div_euclid(4)).unwrap_or(0);
            if let Some(group) = groups.get_mut(group) {
                *group += u16::from(digit - b'0') * 10_u16.pow(power.rem_euclid(4) as u32);
            }
        }
        let count = groups.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1);
        sink.array(self.header(count, if count == 0 { 0 } else { weight as i16 }));
        groups.iter().take(count).for_each(|group| sink.array(group.to_be_bytes()));
    }

    /// The length, how many groups there are, their weight, the sign and the scale.
    #[inline]
    fn header(&self, groups: usize, weight: i16) -> [u8; 12] {
        let [a, b, c, d] = (8 + 2 * groups as u32).to_be_bytes();
        let [e, f] = (groups as u16).to_be_bytes();
        let [g, h] = weight.to_be_bytes();
        let [i, j] = if self.negative { NEGATIVE } else { 0 }.to_be_bytes();
        let [k, l] = u16::from(self.scale.max(0).unsigned_abs()).to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}
