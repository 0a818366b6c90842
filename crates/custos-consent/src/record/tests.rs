use custos_core::Rid;
use proptest::prelude::*;

use super::*;
use crate::testing::{events_on_topics, purpose};

fn terms() -> RecordTerms {
    let party = |id: &str, role: &str, country: &str| {
        serde_json::json!({
            "party_id": id, "party_name": id.to_uppercase(), "party_role": role,
            "party_address": country, "party_contact": format!("privacy@{id}.example"),
        })
    };
    let processing = |purpose: &str, recipients: &[&str]| {
        serde_json::json!({
            "purpose": purpose, "lawful_basis": "consent", "jurisdiction": "cn",
            "pii_information": [
                {"pii_type": "user.behavior.purchase_history", "sensitive_pii_category": false},
            ],
            "pii_controllers": ["shop"], "recipient_third_parties": recipients,
            "storage_locations": ["cn"], "retention_period": "P2Y",
            "withdrawal_method": "https://shop.example/privacy",
        })
    };
    serde_json::from_value(serde_json::json!({
        "pii_processing": [
            processing("marketing.email", &["mailer"]),
            processing("analytics", &[]),
        ],
        "party_identification": [
            party("shop", "controller", "CN"),
            party("mailer", "recipient", "SG"),
            party("stranger", "recipient", "US"),
        ],
    }))
    .unwrap()
}

fn said(rid: u32, at: &str, name: &str, status: ConsentStatus) -> ConsentEvent {
    ConsentEvent {
        rid: Rid::new(rid),
        at: at.parse().unwrap(),
        purpose: purpose(name),
        status,
        expires_at: None,
        notice: Some("privacy-v3".to_owned()),
        channel: None,
        authority: true,
    }
}

fn record<'a>(events: impl IntoIterator<Item = &'a ConsentEvent>) -> ConsentRecord {
    ConsentRecord::new("record-1".to_owned(), "pseudonym".to_owned(), &terms(), events)
}

fn receipt(record: ConsentRecord) -> ConsentReceipt {
    let issued_at = "2026-05-01T00:00:00Z".parse().unwrap();
    ConsentReceipt::new("receipt-1".to_owned(), issued_at, "shop".to_owned(), record)
}

#[test]
fn a_receipt_is_these_bytes() {
    let events = [
        said(
            987_654_321,
            "2026-03-02T10:00:00Z",
            "guardian.separate.sharing.analytics",
            ConsentStatus::Refused,
        ),
        ConsentEvent {
            expires_at: Some("2026-03-31T10:00:00Z".parse().unwrap()),
            channel: Some("web".to_owned()),
            ..said(987_654_320, "2026-03-01T10:00:00Z", "analytics", ConsentStatus::Given)
        },
    ];
    let payload = String::from_utf8(receipt(record(&events)).payload().unwrap()).unwrap();
    let expected = concat!(
        r#"{"issued_at":"2026-05-01T00:00:00Z","issuer":"shop","receipt_id":"receipt-1","record":{"#,
        r#""events":[{"collection_method":"web","entity_id":"pii_principal","event_state":"given","#,
        r#""event_time":"2026-03-01T10:00:00Z","privacy_notice":"privacy-v3","purpose":"analytics","#,
        r#""validity_duration":"PT2592000S"},{"entity_id":"guardian","event_state":"refused","#,
        r#""event_time":"2026-03-02T10:00:00Z","event_type":"sharing","privacy_notice":"privacy-v3","#,
        r#""purpose":"analytics"}],"party_identification":[{"party_address":"CN","#,
        r#""party_contact":"privacy@shop.example","party_id":"shop","party_name":"SHOP","#,
        r#""party_role":"controller"}],"pii_principal_id":"pseudonym","pii_processing":[{"#,
        r#""jurisdiction":"cn","lawful_basis":"consent","pii_controllers":["shop"],"#,
        r#""pii_information":[{"pii_type":"user.behavior.purchase_history","#,
        r#""sensitive_pii_category":false}],"purpose":"analytics","retention_period":"P2Y","#,
        r#""storage_locations":["cn"],"withdrawal_method":"https://shop.example/privacy"}],"#,
        r#""record_id":"record-1","schema_version":"custos-consent/1"},"#,
        r#""schema_version":"custos-consent/1"}"#,
    );
    assert_eq!(payload, expected);
}

#[test]
fn strings_are_written_as_rfc_8785_writes_them() {
    // The string of the example in its section 3.2.2, which is \u20ac$\u000f\nA'B"\\"/ unescaped.
    let text = "\u{20ac}$\u{f}\nA'B\"\\\\\"/";
    let mut receipt = receipt(record(&[]));
    receipt.issuer = text.to_owned();
    let payload = String::from_utf8(receipt.payload().unwrap()).unwrap();
    assert!(payload.contains(r#""issuer":"€$\u000f\nA'B\"\\\\\"/""#), "{payload}");
}

#[test]
fn a_record_holds_the_terms_that_its_events_are_about_and_nobody_else() {
    let purposes = |event: &ConsentEvent| -> (Vec<String>, Vec<String>) {
        let record = record([event]);
        let purposes = record.pii_processing.iter().map(|terms| terms.purpose.to_string());
        let parties = record.party_identification.iter().map(|party| party.party_id.clone());
        (purposes.collect(), parties.collect())
    };
    let about = |name| purposes(&said(1, "2026-03-01T10:00:00Z", name, ConsentStatus::Given));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(about("analytics"), (names(&["analytics"]), names(&["shop"])));
    let email = (names(&["marketing.email"]), names(&["mailer", "shop"]));
    assert_eq!(about("marketing"), email);
    assert_eq!(about("marketing.email.daily"), email);
    assert_eq!(about("guardian.marketing.email"), email);
    assert_eq!(about("functional"), (names(&[]), names(&[])));
    let all = (names(&["analytics", "marketing.email"]), names(&["mailer", "shop"]));
    assert_eq!(about("separate.sharing"), all);
}

#[test]
fn a_grant_without_authority_is_not_on_record_and_a_refusal_is() {
    let without = |status| ConsentEvent {
        authority: false,
        ..said(1, "2026-03-01T10:00:00Z", "analytics", status)
    };
    assert!(record(&[without(ConsentStatus::Given)]).events.is_empty());
    let too_wide = said(1, "2026-03-01T10:00:00Z", "separate", ConsentStatus::Given);
    assert!(record(&[too_wide]).events.is_empty());
    assert_eq!(record(&[without(ConsentStatus::Refused)]).events.len(), 1);
}

#[test]
fn a_receipt_with_more_in_it_than_we_sign_is_refused() {
    let payload = receipt(record(&[])).payload().unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert!(serde_json::from_value::<ConsentReceipt>(json.clone()).is_ok());
    json["record"]["consent"] = true.into();
    assert!(serde_json::from_value::<ConsentReceipt>(json).is_err());
}

proptest! {
    #[test]
    fn equal_records_are_equal_bytes(
        (events, shuffled) in events_on_topics(12).prop_flat_map(|events| {
            (Just(events.clone()), Just(events).prop_shuffle())
        }),
    ) {
        let bytes = receipt(record(&events)).payload().unwrap();
        let twice: Vec<_> = shuffled.iter().chain(&events).collect();
        prop_assert_eq!(&receipt(record(twice)).payload().unwrap(), &bytes);
        let parsed: ConsentReceipt = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(parsed.payload().unwrap(), bytes);
    }
}
