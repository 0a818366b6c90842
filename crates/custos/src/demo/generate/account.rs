//! Account numbers of the silos.

/// How far the numbers of the copies of one customer's account are apart.
const COPY_DISTANCE: u64 = 20_000_000;
const NUMBERS: u64 = 100_000_000;

/// An account number of eight digits, whose order says nothing about the customer's number.
///
/// A customer may have several accounts: `copy` counts them from 0. No two accounts of fewer than
/// 20 million customers get the same number, as long as there are at most five copies.
pub(crate) fn account_number(customer: u32, copy: u32, salt: u64) -> u64 {
    // Odd and no multiple of five, so that it is a permutation modulo a power of ten.
    const MULTIPLIER: u64 = 61_803_399;
    let index = u64::from(customer) + u64::from(copy) * COPY_DISTANCE;
    (index * MULTIPLIER + salt) % NUMBERS
}
