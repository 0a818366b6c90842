use proptest::prelude::*;

use super::*;

fn oids() -> impl Strategy<Value = u32> {
    let more = [2_950, 2_951, 3_802, 3_807];
    proptest::sample::select(OIDS.into_iter().chain(more).collect::<Vec<_>>())
}

/// The beginning of an array, and what may follow.
fn arrays() -> impl Strategy<Value = Vec<u8>> {
    let element = proptest::sample::select(OIDS.to_vec());
    (0..4_i32, 0..2_i32, element, -1..5_i32, any::<Vec<u8>>()).prop_map(
        |(dimensions, flags, element, count, rest)| {
            let head = [dimensions, flags, element as i32, count, 1];
            head.into_iter().flat_map(i32::to_be_bytes).chain(rest).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_it_panic(oid in oids(), bytes in any::<Vec<u8>>()) {
        for format in [Format::Text, Format::Binary] {
            if let Ok(array) = decode(oid, format, Some(&bytes), ZONE) {
                prop_assert_eq!(array.len(), 1);
            }
        }
    }

    #[test]
    fn no_short_bytes_make_it_panic(
        oid in oids(),
        bytes in proptest::collection::vec(any::<u8>(), 0..=24),
        length in proptest::sample::select(vec![0_usize, 1, 2, 4, 8, 12, 16]),
    ) {
        let bytes = &bytes[..length.min(bytes.len())];
        if let Ok(array) = decode(oid, Format::Binary, Some(bytes), ZONE) {
            prop_assert_eq!(array.len(), 1);
        }
    }

    #[test]
    fn no_array_makes_it_panic(oid in oids(), bytes in arrays()) {
        if let Ok(array) = decode(oid, Format::Binary, Some(&bytes), ZONE) {
            prop_assert_eq!(array.len(), 1);
        }
    }

    #[test]
    fn no_text_makes_it_panic(oid in oids(), text in "[-+0-9:. TZtPYMDdays{},\"\\\\eExX/BCagonl张]{0,24}") {
        if let Ok(array) = decode(oid, Format::Text, Some(text.as_bytes()), ZONE) {
            prop_assert_eq!(array.len(), 1);
        }
    }
}
