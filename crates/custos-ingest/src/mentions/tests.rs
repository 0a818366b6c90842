use proptest::prelude::*;

use super::*;

const HERS: [u8; 16] = [1; 16];
const FAMILYS: [u8; 16] = [2; 16];
const ANOTHERS: [u8; 16] = [3; 16];
const ERASED_AT: Timestamp = Timestamp::from_micros(100);

fn barred() -> HashMap<[u8; 16], Suppressed> {
    let entry = |shared| Suppressed { until: ERASED_AT, shared };
    HashMap::from([(HERS, entry(false)), (FAMILYS, entry(true))])
}

fn mentions(event_time: Option<i64>, identifiers: &[[u8; 16]]) -> Mentions {
    Mentions {
        event_time: event_time.map(Timestamp::from_micros),
        identifiers: identifiers.iter().copied().collect(),
    }
}

#[test]
fn a_row_is_barred_by_what_only_the_erased_held_up_to_the_erasure() {
    for (event_time, identifiers, is_barred) in [
        (None, &[HERS][..], true),
        (Some(100), &[HERS], true),
        (Some(101), &[HERS], false),
        (Some(100), &[HERS, ANOTHERS], true),
        (Some(100), &[FAMILYS], true),
        (Some(100), &[FAMILYS, HERS], true),
        (Some(100), &[FAMILYS, ANOTHERS], false),
        (Some(101), &[FAMILYS], false),
        (Some(100), &[ANOTHERS], false),
        (Some(100), &[], false),
        (None, &[], false),
    ] {
        let mentions = mentions(event_time, identifiers);
        assert_eq!(mentions.is_barred(&barred()), is_barred, "{mentions:?}");
    }
}

#[test]
fn bytes_that_are_no_mentions_are_not_taken_for_some() {
    for length in [0, 7, 9, 23, 25] {
        assert_eq!(Mentions::decode(&vec![0; length]), None, "{length} bytes");
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_what_was_found(
        event_time in proptest::option::of(-1_000_i64..i64::MAX),
        identifiers in proptest::collection::vec(any::<[u8; 16]>(), 0..9),
    ) {
        let mentions = mentions(event_time, &identifiers);
        prop_assert_eq!(Mentions::decode(&mentions.encode()), Some(mentions));
    }
}
