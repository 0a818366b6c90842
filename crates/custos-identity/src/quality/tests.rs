use proptest::prelude::*;

use super::*;

fn map_of(labels: &[u32]) -> PersonMap {
    let clusters = (0..5).map(|label| {
        (1..).zip(labels).filter(|&(_, own)| *own == label).map(|(rid, _)| Rid::new(rid)).collect()
    });
    PersonMap::from_clusters(clusters.collect::<Vec<Vec<_>>>())
}

#[test]
fn an_answer_without_pairs_has_full_precision_and_no_recall() {
    let quality = pairwise(&map_of(&[0, 1]), &map_of(&[2, 2]), (1..3).map(Rid::new));
    assert_eq!((quality.precision, quality.recall, quality.f1), (1.0, 0.0, 0.0));
}

proptest! {
    #[test]
    fn counts_agree_with_looking_at_every_pair(
        labels in prop::collection::vec((0u32..5, 0u32..5), 0..12),
    ) {
        let (found, actual): (Vec<_>, Vec<_>) = labels.into_iter().unzip();
        let (mut both_pairs, mut found_pairs, mut actual_pairs) = (0, 0, 0);
        for right in 0..found.len() {
            for left in 0..right {
                let (is_found, is_actual) = (found[left] == found[right], actual[left] == actual[right]);
                found_pairs += u64::from(is_found);
                actual_pairs += u64::from(is_actual);
                both_pairs += u64::from(is_found && is_actual);
            }
        }
        let subjects = (1..).take(found.len()).map(Rid::new);
        let quality = pairwise(&map_of(&found), &map_of(&actual), subjects);
        prop_assert_eq!(
            (quality.true_pairs, quality.found_pairs, quality.actual_pairs),
            (both_pairs, found_pairs, actual_pairs)
        );
    }
}
