//! Fields of bits in base64url, as all of the IAB's strings have them.

use std::fmt;

use custos_core::Timestamp;
use roaring::RoaringBitmap;

use super::SignalError;

/// A set of numbers from 1 to 64: purposes, special features, custom purposes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NumberSet(u64);

impl NumberSet {
    /// Whether `number` is in the set.
    pub const fn contains(self, number: u8) -> bool {
        matches!(number, 1..=64) && self.0 >> (number - 1) & 1 == 1
    }

    /// The numbers in order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=64).filter(move |&number| self.contains(number))
    }
}

impl fmt::Debug for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Two capital letters: a language or a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Letters([char; 2]);

impl Default for Letters {
    fn default() -> Self {
        Self(['A'; 2])
    }
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0;
        write!(f, "{first}{second}")
    }
}

/// Reads one segment from its first bit to its last.
pub(super) struct Bits {
    /// Six bits each.
    sextets: Vec<u8>,
    at: usize,
}

impl Bits {
    /// The bits of base64url without padding ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648)).
    ///
    /// Unlike there, any number of characters will do: the IAB's standards fill up to a whole
    /// character, not to a whole byte.
    pub(super) fn new(text: &str) -> Result<Self, SignalError> {
        let sextets = text.bytes().map(sextet).collect::<Option<_>>();
        Ok(Self { sextets: sextets.ok_or(SignalError::Encoding)?, at: 0 })
    }

    /// How many bits there are from first to last.
    pub(super) fn count(&self) -> usize {
        self.sextets.len() * 6
    }

    fn remaining(&self) -> usize {
        self.count() - self.at
    }

    /// The next `width` bits, 64 at most, as a number.
    fn unsigned(&mut self, width: usize) -> Result<u64, SignalError> {
        if self.remaining() < width {
            return Err(SignalError::Truncated);
        }
        let (mut value, mut missing) = (0, width);
        while missing > 0 {
            let unread = 6 - self.at % 6;
            let taken = unread.min(missing);
            let sextet = u64::from(self.sextets[self.at / 6]);
            value = value << taken | (sextet >> (unread - taken) & ((1 << taken) - 1));
            self.at += taken;
            missing -= taken;
        }
        Ok(value)
    }

    pub(super) fn flag(&mut self) -> Result<bool, SignalError> {
        Ok(self.unsigned(1)? == 1)
    }

    /// A number of up to 8 bits.
    pub(super) fn small(&mut self, width: usize) -> Result<u8, SignalError> {
        self.unsigned(width.min(8)).map(|value| u8::try_from(value).unwrap_or(u8::MAX))
    }

    /// A number of up to 16 bits.
    pub(super) fn number(&mut self, width: usize) -> Result<u16, SignalError> {
        self.unsigned(width.min(16)).map(|value| u16::try_from(value).unwrap_or(u16::MAX))
    }

    /// Tenths of a second since 1970.
    pub(super) fn instant(&mut self) -> Result<Timestamp, SignalError> {
        let tenths = self.unsigned(36)?;
        Ok(Timestamp::from_micros(
            i64::try_from(tenths).unwrap_or(i64::MAX).saturating_mul(100_000),
        ))
    }

    pub(super) fn letters(&mut self) -> Result<Letters, SignalError> {
        let mut letter = || match self.small(6)? {
            place @ 0..26 => Ok(char::from(b'A' + place)),
            _ => Err(SignalError::Malformed("language or country")),
        };
        Ok(Letters([letter()?, letter()?]))
    }

    /// A bit for each of the numbers 1 to `count`, which is 64 at most.
    pub(super) fn numbers(&mut self, count: u8) -> Result<NumberSet, SignalError> {
        let count = usize::from(count.min(64));
        let bits = self.unsigned(count)?;
        // The first bit is that of number 1.
        Ok(NumberSet(if count == 0 { 0 } else { bits.reverse_bits() >> (64 - count) }))
    }

    /// Vendors: the greatest, and then a bit for each or ranges, whichever is shorter.
    pub(super) fn vendors(&mut self) -> Result<RoaringBitmap, SignalError> {
        let vendor_max = self.number(16)?;
        if self.flag()? { self.ranges() } else { self.vendor_bits(vendor_max) }
    }

    /// Vendors as TCF Canada tells them: its ranges are Fibonacci codes.
    pub(super) fn vendors_in_fibonacci(&mut self) -> Result<RoaringBitmap, SignalError> {
        let vendor_max = self.number(16)?;
        if self.flag()? {
            let vendors = self.fibonacci_range(usize::from(u16::MAX))?;
            Ok(vendors.into_iter().map(u32::from).collect())
        } else {
            self.vendor_bits(vendor_max)
        }
    }

    /// A bit for each of the vendors 1 to `vendor_max`.
    pub(super) fn vendor_bits(&mut self, vendor_max: u16) -> Result<RoaringBitmap, SignalError> {
        if self.remaining() < usize::from(vendor_max) {
            return Err(SignalError::Truncated);
        }
        let mut vendors = RoaringBitmap::new();
        for vendor in 1..=u32::from(vendor_max) {
            if self.flag()? {
                vendors.insert(vendor);
            }
        }
        Ok(vendors)
    }

    /// Vendors one by one and from one to another. Vendors are below 2^16, which bounds the set.
    pub(super) fn ranges(&mut self) -> Result<RoaringBitmap, SignalError> {
        let mut vendors = RoaringBitmap::new();
        for _ in 0..self.number(12)? {
            let is_group = self.flag()?;
            let first = self.number(16)?;
            let last = if is_group { self.number(16)? } else { first };
            if first == 0 || last < first {
                return Err(SignalError::Malformed("range of vendors"));
            }
            vendors.insert_range(u32::from(first)..=u32::from(last));
        }
        Ok(vendors)
    }

    /// Ascending numbers, each or each run told by its distance from the last, as Fibonacci codes.
    ///
    /// More than `count_max` of them are an error, or a few bits could tell of millions.
    pub(super) fn fibonacci_range(&mut self, count_max: usize) -> Result<Vec<u16>, SignalError> {
        let malformed = SignalError::Malformed("list in Fibonacci coding");
        let mut numbers = Vec::new();
        let mut last: u16 = 0;
        for _ in 0..self.number(12)? {
            let is_group = self.flag()?;
            let first = last.checked_add(self.fibonacci()?).ok_or(malformed)?;
            let length = if is_group { self.fibonacci()? } else { 0 };
            last = first.checked_add(length).ok_or(malformed)?;
            if numbers.len() + usize::from(length) >= count_max {
                return Err(malformed);
            }
            numbers.extend(first..=last);
        }
        Ok(numbers)
    }

    /// A number of at least 1 in [Fibonacci coding](https://en.wikipedia.org/wiki/Fibonacci_coding).
    fn fibonacci(&mut self) -> Result<u16, SignalError> {
        let malformed = SignalError::Malformed("list in Fibonacci coding");
        let (mut this, mut next): (u16, Option<u16>) = (1, Some(2));
        let (mut sum, mut was_set) = (0u16, false);
        loop {
            let is_set = self.flag()?;
            if is_set && was_set {
                return Ok(sum);
            }
            if is_set {
                sum = sum.checked_add(this).ok_or(malformed)?;
            }
            was_set = is_set;
            let following = next.ok_or(malformed)?;
            next = following.checked_add(this);
            this = following;
        }
    }
}

const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}
