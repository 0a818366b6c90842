use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{NumberSet, gpc_of_headers, gpc_of_navigator};
use super::*;
use crate::testing::vectors;

fn flags(set: NumberSet, count: u8) -> Value {
    (1..=count).map(|number| set.contains(number)).collect()
}

fn vendors(set: &roaring::RoaringBitmap) -> Value {
    json!(set.iter().collect::<Vec<_>>())
}

fn us_fields(section: &UsSection) -> Vec<(String, Value)> {
    let mut fields: Vec<_> = section
        .fields
        .iter()
        .map(|(field, values)| {
            let name = json!(field).as_str().unwrap().to_owned();
            (name, if let [value] = values[..] { json!(value) } else { json!(values) })
        })
        .collect();
    if section.gpc.is_some() {
        fields.push(("Gpc".to_owned(), json!(section.gpc)));
    }
    fields
}

fn us_privacy_fields(string: UsPrivacy) -> Vec<(String, Value)> {
    let letter = |answer| match answer {
        Some(true) => json!("Y"),
        Some(false) => json!("N"),
        None => json!("-"),
    };
    named([
        ("Notice", letter(string.notice)),
        ("OptOutSale", letter(string.opt_out_sale)),
        ("LspaCovered", letter(string.lspa_covered)),
    ])
}

fn tcf_eu_fields(string: &TcString) -> Vec<(String, Value)> {
    let publisher = string.publisher.unwrap_or_default();
    named([
        ("CmpId", json!(string.cmp_id)),
        ("VendorListVersion", json!(string.vendor_list_version)),
        ("PolicyVersion", json!(string.policy_version)),
        ("IsServiceSpecific", json!(string.is_service_specific)),
        ("PurposeConsents", flags(string.purpose_consents, 24)),
        ("PurposeLegitimateInterests", flags(string.purpose_legitimate_interests, 24)),
        ("PublisherCountryCode", json!(string.publisher_country.to_string())),
        ("VendorConsents", vendors(&string.vendor_consents)),
        ("VendorLegitimateInterests", vendors(&string.vendor_legitimate_interests)),
        ("VendorsDisclosed", vendors(&string.vendors_disclosed.clone().unwrap_or_default())),
        ("VendorsAllowed", vendors(&string.vendors_allowed.clone().unwrap_or_default())),
        ("PublisherConsents", flags(publisher.consents, 24)),
    ])
}

fn tcf_ca_fields(string: &TcfCaString) -> Vec<(String, Value)> {
    let publisher = string.publisher.unwrap_or_default();
    named([
        ("CmpId", json!(string.cmp_id)),
        ("CmpVersion", json!(string.cmp_version)),
        ("ConsentLanguage", json!(string.consent_language.to_string())),
        ("VendorListVersion", json!(string.vendor_list_version)),
        ("TcfPolicyVersion", json!(string.policy_version)),
        ("UseNonStandardStacks", json!(string.use_non_standard_stacks)),
        ("SpecialFeatureExpressConsent", flags(string.special_feature_express_consents, 12)),
        ("PurposesExpressConsent", flags(string.purpose_express_consents, 24)),
        ("PurposesImpliedConsent", flags(string.purpose_implied_consents, 24)),
        ("VendorExpressConsent", vendors(&string.vendor_express_consents)),
        ("VendorImpliedConsent", vendors(&string.vendor_implied_consents)),
        ("PubPurposesExpressConsent", flags(publisher.consents, 24)),
        ("PubPurposesImpliedConsent", flags(publisher.legitimate_interests, 24)),
        ("DisclosedVendors", vendors(&string.vendors_disclosed.clone().unwrap_or_default())),
    ])
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Vec<(String, Value)> {
    fields.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

const US_NAMES: [&str; 21] = [
    "usnat", "usca", "usva", "usco", "usut", "usct", "usfl", "usmt", "usor", "ustx", "usde",
    "usia", "usne", "usnh", "usnj", "ustn", "usmn", "usmd", "usin", "usky", "usri",
];

fn fields(id: u16, section: &GppSection) -> (&'static str, Vec<(String, Value)>) {
    match section {
        GppSection::TcfEu(string) => ("tcfeuv2", tcf_eu_fields(string)),
        GppSection::TcfCa(string) => ("tcfcav1", tcf_ca_fields(string)),
        GppSection::UsPrivacy(string) => ("uspv1", us_privacy_fields(*string)),
        GppSection::Us(section) => (US_NAMES[usize::from(id) - 7], us_fields(section)),
        GppSection::Unread => panic!("section {id} is not read"),
    }
}

#[test]
fn strings_decode_as_the_iabs_own_library_decodes_them() {
    for vector in vectors("consent/gpp_public.jsonl") {
        let text = vector["gppString"].as_str().unwrap();
        let decoded = &vector["decoded"];
        let Some(expected_ids) = decoded.get("sectionIds") else {
            assert!(text.parse::<GppString>().is_err(), "{text}");
            continue;
        };
        let string: GppString = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let ids: Vec<_> = string.sections.iter().map(|(id, _)| *id).collect();
        assert_eq!(json!(ids), *expected_ids, "{text}");
        for (id, section) in &string.sections {
            let (name, fields) = fields(*id, section);
            let expected = &decoded["sections"][name];
            for (field, found) in &fields {
                assert_eq!(*found, expected[field], "{field} of {name} of {text}");
            }
            if let GppSection::Us(section) = section {
                let version = expected.get("Version").or(expected.get("MspaVersion"));
                assert_eq!(Some(&json!(section.version)), version, "{name} of {text}");
                // All but the versions, the type of a segment, and a default for what is not told.
                let told = |key: &&String| {
                    !key.ends_with("Version")
                        && *key != "GpcSegmentType"
                        && (*key != "Gpc" || section.gpc.is_some())
                };
                let all = expected.as_object().unwrap().keys().filter(told).count();
                assert_eq!(fields.len(), all, "{name} of {text}");
            }
        }
    }
}

#[test]
fn what_the_standard_does_not_allow_is_refused() {
    let parse = |text: &str| text.parse::<GppString>();
    assert_eq!(parse("DBABTA~1YNN").unwrap().sections.len(), 1);
    assert_eq!(parse("").unwrap_err(), SignalError::Truncated);
    assert_eq!(parse("CBABTA~1YNN").unwrap_err(), SignalError::Malformed("header"));
    assert_eq!(parse("DCABTA~1YNN").unwrap_err(), SignalError::Version);
    let list = SignalError::Malformed("list of sections");
    let coding = SignalError::Malformed("list in Fibonacci coding");
    assert_eq!(parse("DBABTA").unwrap_err(), coding);
    assert_eq!(parse("DBABTA~1YNN~1YNN").unwrap_err(), list);
    assert_eq!(parse("DBABTA~1YN").unwrap_err(), SignalError::Truncated);
    assert_eq!(parse("DBABTA~1YNNN").unwrap_err(), SignalError::Malformed("length"));
    assert_eq!(parse("DBABTA~2YNN").unwrap_err(), SignalError::Version);
    // `usnat` of a version to come, with a value that is none, and cut short.
    assert_eq!(parse("DBABLA~DAAAAAABEQA").unwrap_err(), SignalError::Version);
    assert_eq!(parse("DBABLA~BwAAAAABEQA").unwrap_err(), SignalError::Malformed("field"));
    assert_eq!(parse("DBABLA~BAAAAAAB").unwrap_err(), SignalError::Truncated);
}

#[test]
fn a_section_that_is_not_known_is_left_unread() {
    // Section 1, `tcfeuv1`: header, one entry, not a group, the Fibonacci code of 1.
    let header = crate::testing::base64url("000011 000001 000000000001 0 11");
    let string: GppString = format!("{header}~anything").parse().unwrap();
    assert_eq!(string.sections, [(1, GppSection::Unread)]);
}

#[test]
fn global_privacy_control_is_on_only_by_the_letter() {
    let headers = |values: &[&str]| gpc_of_headers(values.iter().map(|value| value.as_bytes()));
    assert!(headers(&["1"]));
    assert!(headers(&["0", "1"]));
    for values in [&[][..], &["0"], &["true"], &["1 "], &["11"], &["1, 1"], &["1;a"]] {
        assert!(!headers(values), "{values:?}");
    }
    assert!(gpc_of_navigator(Some(&json!(true))));
    for value in [json!(false), json!(1), json!("1"), json!("true"), Value::Null] {
        assert!(!gpc_of_navigator(Some(&value)), "{value}");
    }
    assert!(!gpc_of_navigator(None));
    let support = super::super::GpcSupport::since("2026-03-01T10:00:00Z".parse().unwrap());
    assert_eq!(json!(support), json!({"gpc": true, "lastUpdate": "2026-03-01"}));
}

proptest! {
    #[test]
    fn anything_at_all_is_read_or_refused(text in any::<String>()) {
        let _outcome = text.parse::<GppString>();
        let _outcome = text.parse::<UsPrivacy>();
    }

    #[test]
    fn anything_in_the_right_characters_is_read_or_refused(
        header in "DB[A-Za-z0-9_-]{0,40}",
        sections in prop::collection::vec("[ABC][A-Za-z0-9_.-]{0,60}", 0..26),
    ) {
        let text = [vec![header], sections].concat().join("~");
        let _outcome = text.parse::<GppString>();
    }

    #[test]
    fn a_section_of_any_bits_is_read_or_refused(id in 0u16..40, text in "[ABC][A-Za-z0-9_.-]{0,60}") {
        let _outcome = read_section(id, &text);
    }

    #[test]
    fn an_error_repeats_nothing_of_the_string(text in "(canary|DBABLA~canary|DBABTA~canary)[A-Z.~]{0,9}") {
        if let Err(error) = text.parse::<GppString>() {
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains("canary"));
        }
    }
}
