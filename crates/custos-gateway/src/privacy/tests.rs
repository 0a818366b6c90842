use super::*;
use custos_core::{Classify, ErrorKind};

fn wire(json: &str) -> Result<NewRequest, RequestError> {
    new_request(serde_json::from_str(json).unwrap(), None)
}

#[test]
fn a_request_shows_nothing_of_its_subject() {
    let new = wire(
        r#"{"type": "erasure", "subject": "email:canary@example.com", "regime": "gdpr",
            "verified_by": "officer", "wait": "L2"}"#,
    )
    .unwrap();
    assert_eq!(new.verified_by.as_deref(), Some("officer"));
    assert!(!format!("{new:?}").contains("canary"));
}

#[test]
fn only_erasure_is_handled_and_somebody_must_have_verified() {
    let access = wire(r#"{"type": "access", "subject": "email:a@b.c", "regime": "gdpr"}"#);
    assert_eq!(access.unwrap_err().kind(), ErrorKind::Invalid);
    let nobody = wire(
        r#"{"type": "erasure", "subject": "email:a@b.c", "regime": "gdpr", "verified_by": " "}"#,
    );
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn levels_that_can_be_waited_for_are_the_published_ones() {
    assert_eq!(level(None).unwrap(), None);
    for (name, expected) in [("L0", Level::L0), ("L1", Level::L1), ("L2", Level::L2)] {
        assert_eq!(level(Some(name)).unwrap(), Some(expected));
    }
    assert_eq!(level(Some("L3")).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn an_address_leads_back_to_its_request() {
    let id = RequestId::from_random([7; 16]);
    let text = address(id).rsplit('/').next().unwrap().to_owned();
    assert_eq!(request_id(Ok(Path(text))).unwrap(), id);
    assert!(request_id(Ok(Path("ana@example.com".to_owned()))).is_err());
}
