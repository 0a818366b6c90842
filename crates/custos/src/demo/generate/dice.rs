//! Seeded chance.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of chance whose every outcome follows from a seed and a stream.
///
/// Each file has a stream of its own, so that a change of how one is made leaves the others as
/// they were. Only integers and square roots are used: the outcome is the same on every machine.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The chance of `stream` under `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.per_mille(percent * 10)
    }

    /// True in `per_mille` of 1000 cases.
    pub(crate) fn per_mille(&mut self, per_mille: u32) -> bool {
        self.0.random_range(0..1000) < per_mille
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..=high)
    }

    /// An instant from `from` to `to`, both included, in seconds; `from` if `to` lies before it.
    pub(crate) fn moment(&mut self, from: i64, to: i64) -> i64 {
        self.0.random_range(from..=to.max(from))
    }

    /// An index below `length`, which must not be zero.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        // Drawn as 64 bits: `usize` would make the outcome depend on the machine.
        self.0.random_range(0..length as u64) as usize
    }

    /// One of `items`, all equally likely.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// One of `items`, the first ones more often than the last.
    pub(crate) fn pick_early<T: Copy>(&mut self, items: &[T]) -> T {
        let index = self.index(items.len()).min(self.index(items.len()));
        items[index]
    }

    /// A Pareto distributed number of shape 4/3, from 1 to `max`: mostly small, seldom huge.
    pub(crate) fn heavy_tail(&mut self, max: u32) -> f64 {
        let uniform = (f64::from(self.between(0, 999_999)) + 1.0) / 1_000_000.0;
        // uniform^(-3/4), from square roots because they are exact everywhere.
        let root = uniform.sqrt();
        (1.0 / (root * root.sqrt())).min(f64::from(max))
    }

    /// A text of `length` decimal digits.
    pub(crate) fn digits(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'0' + self.between(0, 9) as u8)).collect()
    }

    /// A text of `length` lower-case letters and digits.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(self.pick(ALPHABET))).collect()
    }

    /// The text of a random (version 4) UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let bits: u128 = self.0.random();
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}
