use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::vectors;

/// A string of one core segment: all of it zero but for a version and a country of `AA`.
const EMPTY: &str = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn vendors(set: &RoaringBitmap) -> Value {
    json!(set.iter().collect::<Vec<_>>())
}

fn numbers(set: NumberSet) -> Value {
    json!(set.iter().collect::<Vec<_>>())
}

fn restrictions(string: &TcString) -> Value {
    let restriction = |(&(purpose, kind), restricted): (&(u8, RestrictionType), &RoaringBitmap)| json!({"purposeId": purpose, "type": kind as u8, "vendors": vendors(restricted)});
    string.publisher_restrictions.iter().map(restriction).collect()
}

/// The names that the IAB's library gives to the fields, with what we read there.
fn fields(string: &TcString) -> Vec<(&'static str, Value)> {
    let disclosed = string.vendors_disclosed.clone().unwrap_or_default();
    let mut fields = vec![
        ("version", json!(string.version)),
        ("cmpId", json!(string.cmp_id)),
        ("cmpVersion", json!(string.cmp_version)),
        ("consentScreen", json!(string.consent_screen)),
        ("consentLanguage", json!(string.consent_language.to_string())),
        ("vendorListVersion", json!(string.vendor_list_version)),
        ("purposeConsents", numbers(string.purpose_consents)),
        ("vendorConsents", vendors(&string.vendor_consents)),
    ];
    if string.version == 1 {
        // The library fills in defaults of its own for what version 1 does not have.
        return fields;
    }
    let publisher = string.publisher.unwrap_or_default();
    fields.extend([
        ("policyVersion", json!(string.policy_version)),
        ("isServiceSpecific", json!(string.is_service_specific)),
        ("purposeOneTreatment", json!(string.purpose_one_treatment)),
        ("publisherCountryCode", json!(string.publisher_country.to_string())),
        ("specialFeatureOptins", numbers(string.special_feature_opt_ins)),
        ("purposeLegitimateInterests", numbers(string.purpose_legitimate_interests)),
        ("vendorLegitimateInterests", vendors(&string.vendor_legitimate_interests)),
        ("vendorsDisclosed", vendors(&disclosed)),
        ("publisherConsents", numbers(publisher.consents)),
        ("publisherLegitimateInterests", numbers(publisher.legitimate_interests)),
        ("publisherRestrictions", restrictions(string)),
    ]);
    fields
}

#[test]
fn strings_decode_as_the_iabs_own_library_decodes_them() {
    for vector in vectors("consent/tcf_public.jsonl") {
        let text = vector["tcString"].as_str().unwrap();
        let expected = &vector["decoded"];
        let string: TcString = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        for (name, found) in fields(&string) {
            let mut expected = expected[name].clone();
            if name == "publisherRestrictions" {
                let order = |entry: &Value| (entry["purposeId"].as_u64(), entry["type"].as_u64());
                expected.as_array_mut().unwrap().sort_by_key(order);
            }
            assert_eq!(found, expected, "{name} of {text}");
        }
        for (name, found) in [("created", string.created), ("lastUpdated", string.last_updated)] {
            let expected: Timestamp = expected[name].as_str().unwrap().parse().unwrap();
            assert_eq!(found, expected, "{name} of {text}");
        }
    }
}

#[test]
fn a_core_cut_short_is_an_error_and_no_fewer_consents() {
    for vector in vectors("consent/tcf_public.jsonl") {
        let text = vector["tcString"].as_str().unwrap();
        let core = text.split('.').next().unwrap();
        // Two characters are more than the bits that only fill up a byte.
        let fields_end = core.trim_end_matches('A').len().max(37);
        for end in 0..fields_end - 2 {
            let found = core[..end].parse::<TcString>();
            assert!(found.is_err(), "{end} characters of {core}");
        }
    }
}

#[test]
fn what_the_standard_does_not_allow_is_refused() {
    assert!(EMPTY.parse::<TcString>().is_ok());
    let parse = |text: &str| text.parse::<TcString>().unwrap_err();
    assert_eq!(parse(""), SignalError::Truncated);
    assert_eq!(parse(&EMPTY.replacen('C', "D", 1)), SignalError::Version);
    assert_eq!(parse(&EMPTY.replacen('A', "=", 1)), SignalError::Encoding);
    assert_eq!(parse(&format!("{EMPTY}.AAAA")), SignalError::Malformed("segment type"));
    assert_eq!(parse(&format!("{EMPTY}.IAAA.IAAA")), SignalError::Malformed("list of segments"));
    assert_eq!(parse(&format!("{EMPTY}.")), SignalError::Truncated);
    // A range from vendor 0, and one that ends before it begins.
    for range in ["0000000000000000 0000000000000001", "0000000000000010 0000000000000001"] {
        let bits = format!("001 0000000000000010 1 000000000001 1 {range}");
        let segment = crate::testing::base64url(&bits);
        let malformed = SignalError::Malformed("range of vendors");
        assert_eq!(parse(&format!("{EMPTY}.{segment}")), malformed);
    }
    assert_eq!(parse(&"A".repeat(65_537)), SignalError::TooLong);
}

#[test]
fn a_few_bits_do_not_become_many_bytes() {
    // Each of as many ranges as there can be tells of nearly all vendors: 4,095 times
    // `1 0000000000000001 1111111111111111`.
    let mut bits = String::from("001") + &"0".repeat(16) + "1" + "111111111111";
    for _ in 0..4_095 {
        bits += "1";
        bits += "0000000000000001";
        bits += "1111111111111111";
    }
    let segment = crate::testing::base64url(&bits);
    let string: TcString = format!("{EMPTY}.{segment}").parse().unwrap();
    let disclosed = string.vendors_disclosed.unwrap();
    assert_eq!(disclosed.len(), 65_535);
    assert!(disclosed.serialized_size() < 16_384);
}

#[test]
fn restrictions_are_as_many_as_purposes_and_types() {
    // All there can be in the core: 4,095 restrictions of one range each, of nearly all vendors.
    let mut bits = String::from("000010") + &"0".repeat(207) + &"0".repeat(34) + "111111111111";
    for entry in 0..4_095 {
        bits += &format!("{:06b}{:02b}", entry % 64, entry % 3);
        bits += "000000000001 1 0000000000000001 1111111111111111";
    }
    let string: TcString = crate::testing::base64url(&bits).parse().unwrap();
    assert_eq!(string.publisher_restrictions.len(), 192);
    assert!(string.publisher_restrictions.values().all(|vendors| vendors.len() == 65_535));
}

proptest! {
    #[test]
    fn anything_at_all_is_read_or_refused(text in any::<String>()) {
        let _outcome = text.parse::<TcString>();
    }

    #[test]
    fn anything_in_the_right_characters_is_read_or_refused(
        core in "C[A-Za-z0-9_-]{0,200}",
        rest in prop::collection::vec("[A-Za-z0-9_-]{0,60}", 0..4),
    ) {
        let text = [vec![core], rest].concat().join(".");
        let _outcome = text.parse::<TcString>();
    }
}
