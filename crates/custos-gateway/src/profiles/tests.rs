use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use custos_core::Classify;
use custos_query::ProfileConsent;
use serde_json::json;

use super::*;

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn an_answer_has_the_parts_that_were_asked_for_and_nothing_internal() {
    let traits = rows(vec![
        ("email", Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef),
        ("city", Arc::new(StringArray::from(vec!["[Köln]"]))),
    ]);
    let tags =
        rows(vec![("tag", Arc::new(StringArray::from(vec!["app_user", "vip"])) as ArrayRef)]);
    let none = rows(vec![("n", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    let parts =
        [(ProfilePart::Traits, traits), (ProfilePart::Tags, tags), (ProfilePart::Orders, none)];
    let at = Timestamp::from_micros(0);
    let record = ConsentRecord {
        status: "given",
        purpose: "analytics".parse().unwrap(),
        at,
        expires_at: None,
        notice: None,
        channel: Some("web".to_owned()),
    };
    let profile = Profile {
        person_id: 7,
        as_of: at,
        parts: parts.into(),
        consent: Some(ProfileConsent { basis: "consent", state: "given", records: vec![record] }),
    };
    let answer = answer(profile, "analytics".parse().unwrap()).unwrap();
    assert_eq!(
        serde_json::to_value(&answer).unwrap(),
        json!({
            "person_id": 7,
            "purpose": "analytics",
            "as_of": "1970-01-01T00:00:00Z",
            "traits": {"email": null, "city": "[Köln]"},
            "tags": ["app_user", "vip"],
            "orders": [],
            "consent": {
                "basis": "consent",
                "state": "given",
                "records": [{
                    "status": "given", "purpose": "analytics", "at": "1970-01-01T00:00:00Z",
                    "expires_at": null, "notice": null, "channel": "web"
                }]
            }
        })
    );
}

#[test]
fn parts_are_named_and_others_are_refused_with_what_there_is() {
    assert_eq!(parts(None).unwrap(), ProfilePart::USUAL.into());
    let few = parts(Some("tags, orders")).unwrap();
    assert_eq!(few, [ProfilePart::Tags, ProfilePart::Orders].into());
    for wrong in ["", "canary", "tags,,orders"] {
        let refused = parts(Some(wrong)).unwrap_err();
        let said = format!("{refused} {:?}", refused.hint());
        assert!(said.contains("traits, tags") && !said.contains("canary"), "{said}");
    }
}
