use super::format::Format;
use super::*;
use axum::http::HeaderValue;

fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn the_header_names_the_purpose_and_the_default_fills_in() {
    let default: Purpose = "analytics".parse().unwrap();
    let named = headers(PURPOSE, &["essential.service"]);
    assert_eq!(purpose(&named, Some(&default)).unwrap().as_str(), "essential.service");
    assert_eq!(purpose(&HeaderMap::new(), Some(&default)).unwrap(), default);
}

#[test]
fn without_one_purpose_there_is_a_remedy() {
    assert!(matches!(purpose(&HeaderMap::new(), None), Err(RequestError::NoPurpose)));
    for values in [&["ANALYTICS"][..], &[""], &["analytics", "analytics"], &["a, b"]] {
        let refused = purpose(&headers(PURPOSE, values), None).unwrap_err();
        assert!(matches!(refused, RequestError::BadPurpose), "{values:?}");
        let hint = custos_core::Classify::hint(&refused).unwrap();
        assert!(hint.contains(PURPOSE));
    }
}

#[test]
fn the_first_form_that_is_named_is_taken() {
    for (accept, expected) in [
        (&[][..], Format::Array),
        (&["*/*"], Format::Array),
        (&["application/x-ndjson"], Format::Lines),
        (&["text/html, Application/X-NDJSON;q=0.9, */*"], Format::Lines),
        (&["application/json, application/x-ndjson"], Format::Array),
        (&["text/html", "application/x-ndjson"], Format::Lines),
    ] {
        let format = Format::asked_for(&headers("accept", accept), Version::HTTP_11);
        assert_eq!(format.unwrap(), expected, "{accept:?}");
    }
}

#[test]
fn lines_are_not_given_where_their_end_cannot_be_told() {
    let lines = headers("accept", &["application/x-ndjson"]);
    let refused = Format::asked_for(&lines, Version::HTTP_10);
    assert!(matches!(refused, Err(RequestError::LinesOverHttp10)));
    assert!(Format::asked_for(&HeaderMap::new(), Version::HTTP_10).is_ok());
}
