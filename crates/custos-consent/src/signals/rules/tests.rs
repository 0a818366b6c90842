use proptest::prelude::*;

use super::*;
use crate::testing::{base64url, purpose};
use crate::{ConsentBook, ConsentState};

const OURS: u16 = 755;

fn rules() -> SignalRules {
    serde_json::from_value(serde_json::json!({
        "vendor": OURS,
        "tcf": [
            {"purpose": "marketing.advertising", "consents": [1, 4], "special_features": [1]},
            {"purpose": "analytics", "legitimate_interests": [8, 9]},
            {"purpose": "personalize", "consents": [5], "legitimate_interests": [6]},
        ],
        "opt_outs": {
            "SaleOptOut": ["sale", "marketing.advertising"],
            "SensitiveDataProcessing": ["personalize"],
        },
        "gpc": ["sale"],
    }))
    .unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seen() -> Observation {
    let at = time("2026-05-04T15:00:00Z");
    Observation { rid: Rid::new(1), at, authority: true, channel: Some("web".to_owned()) }
}

/// Numbers of a framework with `lacking` left out of `all`.
fn numbers(all: u8, lacking: Option<u8>) -> super::super::NumberSet {
    let bit = |number| if Some(number) == lacking { '0' } else { '1' };
    let bits: String = (1..=all).map(bit).collect();
    super::super::bits::Bits::new(&base64url(&bits)).unwrap().numbers(all).unwrap()
}

/// A string of TCF 2.3 in which a person agreed to everything, us included.
fn agreed() -> TcString {
    let mut string: TcString = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let vendors = || [3, u32::from(OURS)].into_iter().collect();
    string.last_updated = time("2026-05-01T00:00:00Z");
    string.is_service_specific = true;
    string.special_feature_opt_ins = numbers(12, None);
    string.purpose_consents = numbers(24, None);
    string.purpose_legitimate_interests = numbers(24, None);
    string.vendor_consents = vendors();
    string.vendor_legitimate_interests = vendors();
    string.vendors_disclosed = Some(vendors());
    string
}

/// What a string says about each purpose of the rules.
fn said(string: &TcString) -> Vec<(String, ConsentStatus)> {
    let events = rules().events(&Signal::Tcf(Box::new(string.clone())), &seen());
    events.into_iter().map(|event| (event.purpose.to_string(), event.status)).collect()
}

fn said_about(string: &TcString, name: &str) -> Option<ConsentStatus> {
    said(string).into_iter().find(|(purpose, _)| purpose == name).map(|(_, status)| status)
}

#[test]
fn all_that_a_purpose_needs_is_a_grant_and_less_is_a_refusal() {
    use ConsentStatus::{Given, Objected, Refused};
    let about = |change: fn(&mut TcString)| {
        let mut string = agreed();
        change(&mut string);
        ["marketing.advertising", "analytics", "personalize"].map(|name| said_about(&string, name))
    };
    assert_eq!(about(|_| {}), [Some(Given), None, Some(Given)]);
    assert_eq!(
        about(|string| string.purpose_consents = numbers(24, Some(4))),
        [Some(Refused), None, Some(Given)]
    );
    assert_eq!(
        about(|string| string.special_feature_opt_ins = numbers(12, Some(1))),
        [Some(Refused), None, Some(Given)]
    );
    assert_eq!(
        about(|string| string.vendor_consents = [3].into_iter().collect()),
        [Some(Refused), None, Some(Refused)]
    );
    assert_eq!(
        about(|string| string.purpose_legitimate_interests = numbers(24, Some(9))),
        [Some(Given), Some(Objected), Some(Given)]
    );
    assert_eq!(
        about(|string| string.vendor_legitimate_interests = [3].into_iter().collect()),
        [Some(Given), Some(Objected), Some(Objected)]
    );
}

#[test]
fn a_publishers_restriction_binds_the_vendors_it_names() {
    use ConsentStatus::{Given, Objected, Refused};
    let about = |purpose, restriction, vendor: u16| {
        let mut string = agreed();
        let vendors = [u32::from(vendor)].into_iter().collect();
        string.publisher_restrictions.insert((purpose, restriction), vendors);
        ["marketing.advertising", "analytics", "personalize"].map(|name| said_about(&string, name))
    };
    let as_ever = [Some(Given), None, Some(Given)];
    assert_eq!(about(4, RestrictionType::NotAllowed, 3), as_ever);
    assert_eq!(about(4, RestrictionType::RequireConsent, OURS), as_ever);
    assert_eq!(about(8, RestrictionType::RequireLegitimateInterest, OURS), as_ever);
    for restriction in [RestrictionType::NotAllowed, RestrictionType::RequireLegitimateInterest] {
        assert_eq!(about(4, restriction, OURS), [Some(Refused), None, Some(Given)]);
    }
    for restriction in [RestrictionType::NotAllowed, RestrictionType::RequireConsent] {
        assert_eq!(about(8, restriction, OURS), [Some(Given), Some(Objected), Some(Given)]);
    }
}

#[test]
fn a_string_that_does_not_speak_about_us_says_nothing() {
    let mut string = agreed();
    string.vendors_disclosed = Some([3].into_iter().collect());
    assert_eq!(said(&string), []);
    string.purpose_consents = numbers(24, Some(1));
    assert_eq!(said(&string), []);

    let nobody = SignalRules { vendor: None, ..rules() };
    assert_eq!(nobody.events(&Signal::Tcf(Box::new(agreed())), &seen()), []);

    let version_1 = TcString { version: 1, ..agreed() };
    assert_eq!(said(&version_1), []);
}

#[test]
fn where_purpose_1_was_not_asked_about_nothing_that_needs_it_is_granted_or_refused() {
    let untold = TcString {
        purpose_one_treatment: true,
        purpose_consents: numbers(24, Some(1)),
        ..agreed()
    };
    assert_eq!(said(&untold), [("personalize".to_owned(), ConsentStatus::Given)]);
    let no = TcString { purpose_consents: numbers(24, Some(4)), ..untold };
    assert_eq!(said_about(&no, "marketing.advertising"), Some(ConsentStatus::Refused));
}

#[test]
fn consents_in_a_form_that_is_out_of_date_are_void() {
    assert_eq!(DISCLOSURE_SINCE, time("2026-02-28T00:00:00Z"));
    let old = TcString {
        vendors_disclosed: None,
        last_updated: time("2026-02-27T00:00:00Z"),
        ..agreed()
    };
    assert_eq!(said_about(&old, "marketing.advertising"), Some(ConsentStatus::Given));
    let late = TcString { last_updated: DISCLOSURE_SINCE, ..old };
    assert_eq!(said(&late), []);
    let global = TcString { is_service_specific: false, ..agreed() };
    assert_eq!(said(&global), []);
    // A no is a no in any form.
    let no = TcString { vendor_consents: [3].into_iter().collect(), ..late };
    assert_eq!(said_about(&no, "marketing.advertising"), Some(ConsentStatus::Refused));
}

#[test]
fn a_grant_needs_authority_and_runs_out_and_a_refusal_needs_neither() {
    let advertising = purpose("marketing.advertising");
    let state = |string: &TcString, authority, now| {
        let events = rules()
            .events(&Signal::Tcf(Box::new(string.clone())), &Observation { authority, ..seen() });
        ConsentBook::from_events(events).state(Rid::new(1), &advertising, time(now))
    };
    let soon = "2026-05-05T00:00:00Z";
    assert_eq!(state(&agreed(), true, soon), ConsentState::Given);
    assert_eq!(state(&agreed(), true, "2027-05-25T23:59:59Z"), ConsentState::Given);
    assert_eq!(state(&agreed(), true, "2027-05-26T00:00:00Z"), ConsentState::Expired);
    assert_eq!(state(&agreed(), false, soon), ConsentState::Absent);
    let no = TcString { purpose_consents: numbers(24, Some(1)), ..agreed() };
    assert_eq!(state(&no, false, soon), ConsentState::Refused);
}

#[test]
fn a_grant_counts_from_the_start_of_its_day_and_a_refusal_from_the_end() {
    let at = |string: TcString, now| {
        let seen = Observation { at: time(now), ..seen() };
        rules().events(&Signal::Tcf(Box::new(string)), &seen)[0].at
    };
    let no = || TcString { purpose_consents: numbers(24, Some(1)), ..agreed() };
    let noon = "2026-05-01T12:00:00Z";
    assert_eq!(at(agreed(), noon), time("2026-05-01T00:00:00Z"));
    assert_eq!(at(no(), noon), time(noon));
    assert_eq!(at(no(), "2026-06-01T12:00:00Z"), time("2026-05-02T00:00:00Z"));
    let exact = time("2026-05-01T08:00:00Z");
    assert_eq!(at(TcString { last_updated: exact, ..no() }, noon), exact);
    // A clock that is ahead makes nothing happen later than it was heard of.
    let ahead = time("2026-09-01T08:00:00Z");
    assert_eq!(at(TcString { last_updated: ahead, ..agreed() }, noon), time(noon));
    assert_eq!(at(TcString { last_updated: ahead, ..no() }, noon), time(noon));
}

/// Header of a GPP string with one section.
fn gpp(id: &str, section: &str) -> Signal {
    let header = base64url(&format!("000011 000001 000000000001 0 {id}"));
    Signal::Gpp(format!("{header}~{section}").parse().unwrap())
}

fn refused(signal: &Signal) -> Vec<String> {
    let events = rules().events(signal, &Observation { authority: false, ..seen() });
    assert!(events.iter().all(|event| event.status == ConsentStatus::Refused));
    assert!(events.iter().all(|event| event.at == seen().at && event.expires_at.is_none()));
    events.into_iter().map(|event| event.purpose.to_string()).collect()
}

#[test]
fn an_opt_out_refuses_and_not_having_opted_out_says_nothing() {
    assert_eq!(refused(&Signal::Gpc), ["sale"]);
    let us_privacy = |text: &str| Signal::UsPrivacy(text.parse().unwrap());
    assert_eq!(refused(&us_privacy("1YYN")), ["marketing.advertising", "sale"]);
    for text in ["1YNN", "1---", "1NNY"] {
        assert!(refused(&us_privacy(text)).is_empty(), "{text}");
    }

    // `usco` is id 10 = 8 + 2: notices, sale, targeted advertising, seven kinds of data, the rest.
    let usco = |sale: &str, kinds: &str, gpc: &str| {
        let core = format!("000001 010101 {sale} 10 {kinds} 00 010000");
        gpp("010011", &format!("{}{gpc}", base64url(&core)))
    };
    let none = "00 00 00 10 00 00 10";
    assert!(refused(&usco("10", none, "")).is_empty());
    assert!(refused(&usco("00", none, ".QA")).is_empty());
    assert_eq!(refused(&usco("10", none, ".YA")), ["sale"]);
    assert_eq!(refused(&usco("01", none, "")), ["marketing.advertising", "sale"]);
    assert_eq!(refused(&usco("10", "00 00 01 00 00 00 00", "")), ["personalize"]);
    assert_eq!(refused(&gpp("1 0011".replace(' ', "").as_str(), "1YYN")).len(), 2);
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    for text in [
        r#"{"opt_outs": {"SaleOptOutNotice": ["sale"]}}"#,
        r#"{"opt_outs": {"SaleOptedOut": ["sale"]}}"#,
        r#"{"tcf": [{"purpose": "analytics", "consents": [0]}]}"#,
        r#"{"tcf": [{"purpose": "analytics", "consents": [25]}]}"#,
        r#"{"tcf": [{"purpose": "analytics", "special_features": [13]}]}"#,
        r#"{"tcf": [{"purpose": "analytics", "consent": [1]}]}"#,
        r#"{"gpc": ["Sale!"]}"#,
    ] {
        assert!(serde_json::from_str::<SignalRules>(text).is_err(), "{text}");
    }
    let rules = rules();
    let text = serde_json::to_string(&rules).unwrap();
    assert_eq!(serde_json::from_str::<SignalRules>(&text).unwrap(), rules);
}

proptest! {
    #[test]
    fn a_string_that_is_seen_again_lifts_no_withdrawal_after_it(
        days in 0i64..40, hour in 0i64..24, again in 0i64..40,
    ) {
        let string = agreed();
        let withdrawn_at = string.last_updated.plus_seconds(days * 86_400 + hour * 3_600);
        let now = withdrawn_at.plus_seconds(again * 86_400);
        let seen = Observation { at: now, ..seen() };
        let mut book = ConsentBook::from_events(rules().events(&Signal::Tcf(Box::new(string)), &seen));
        let advertising = purpose("marketing.advertising");
        book.apply(ConsentEvent {
            rid: Rid::new(1),
            at: withdrawn_at,
            purpose: advertising.clone(),
            status: ConsentStatus::Withdrawn,
            expires_at: None,
            notice: None,
            channel: None,
            authority: false,
        });
        prop_assert_eq!(book.state(Rid::new(1), &advertising, now), ConsentState::Withdrawn);
    }

    #[test]
    fn whatever_is_lacking_no_grant_comes_of_it(
        consent in prop::option::of(1u8..25), feature in prop::option::of(1u8..13),
        ours in any::<bool>(), disclosed in any::<bool>(),
    ) {
        let mut string = agreed();
        string.purpose_consents = numbers(24, consent);
        string.special_feature_opt_ins = numbers(12, feature);
        if !ours {
            string.vendor_consents.remove(u32::from(OURS));
        }
        if !disclosed {
            string.vendors_disclosed = Some([3].into_iter().collect());
        }
        let needs = consent != Some(1) && consent != Some(4) && feature != Some(1);
        let given = said_about(&string, "marketing.advertising") == Some(ConsentStatus::Given);
        prop_assert_eq!(given, needs && ours && disclosed);
    }
}
