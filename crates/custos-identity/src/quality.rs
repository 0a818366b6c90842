//! How good persons are where the truth is known.

use std::collections::HashMap;
use std::hash::Hash;

use custos_core::{PersonId, PersonMap, Rid};

/// Pairs of subjects that are one person, in the answer and in truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Pairs that are one person in the answer and in truth.
    pub true_pairs: u64,
    /// Pairs that are one person in the answer.
    pub found_pairs: u64,
    /// Pairs that are one person in truth.
    pub actual_pairs: u64,
    /// The share of found pairs that are true, 1 if none were found.
    pub precision: f64,
    /// The share of actual pairs that were found, 1 if there are none.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
}

/// Compares persons with the truth, over pairs of `subjects`, each named once.
///
/// Pairs are counted from the sizes of clusters and of their intersections.
pub fn pairwise(
    persons: &PersonMap,
    truth: &PersonMap,
    subjects: impl IntoIterator<Item = Rid>,
) -> Quality {
    let mut found: HashMap<PersonId, u64> = HashMap::new();
    let mut actual: HashMap<PersonId, u64> = HashMap::new();
    let mut both: HashMap<(PersonId, PersonId), u64> = HashMap::new();
    for subject in subjects {
        let cell = (persons.person_of(subject), truth.person_of(subject));
        *found.entry(cell.0).or_default() += 1;
        *actual.entry(cell.1).or_default() += 1;
        *both.entry(cell).or_default() += 1;
    }
    let (true_pairs, found_pairs, actual_pairs) = (pairs(&both), pairs(&found), pairs(&actual));
    let precision = share(true_pairs, found_pairs);
    let recall = share(true_pairs, actual_pairs);
    let sum = precision + recall;
    let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
    Quality { true_pairs, found_pairs, actual_pairs, precision, recall, f1 }
}

fn pairs<K: Eq + Hash>(sizes: &HashMap<K, u64>) -> u64 {
    sizes.values().map(|size| size * (size - 1) / 2).sum()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
